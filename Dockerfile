# Two stages: a Debian with compilers builds, a slim one with the libraries runs.
#   docker build -t pbts .
#   docker run -p 8000:8000/tcp -p 8000:8000/udp -v pbts-data:/data pbts
FROM debian:12-slim AS build
WORKDIR /pbts
COPY tools/setup.sh tools/fetch_blst.sh tools/
RUN tools/setup.sh
COPY . .
RUN ./run --build && strip --strip-unneeded build/bin/pbts-tracker build/bin/pbts

FROM debian:12-slim
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates libcurl4 libinih1 libjansson4 liblmdb0 libmicrohttpd12 libsecp256k1-1 libssl3 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 8000 --no-create-home --shell /usr/sbin/nologin pbts \
 && install -d -o pbts -g pbts -m 0700 /data
COPY --from=build /pbts/build/bin/pbts-tracker /pbts/build/bin/pbts /usr/local/bin/
COPY deploy/health-check /usr/local/bin/health-check
USER pbts
VOLUME /data
EXPOSE 8000/tcp 8000/udp
STOPSIGNAL SIGTERM
# Asks GET /health and wants 200. Written in the perl that every Debian has, so that the image
# needs no curl; the port follows the variable that also configures the daemon.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["health-check"]
ENTRYPOINT ["pbts-tracker"]
CMD ["--port", "8000", "--data", "/data"]
