# Lookups in the DHT from the TSV beside the pictures; bench/dht sets the terminal and `suffix`.
set datafile separator "\t"
set key outside below spacing 1.2
set bmargin 9
set grid ytics lc rgb "#dddddd"
set style line 1 lc rgb "#1b6ca8" pt 7 lw 2
set style line 2 lc rgb "#2a9d8f" pt 5 lw 2
set style line 3 lc rgb "#e9a23b" pt 9 lw 2
set style line 4 lc rgb "#c8553d" pt 11 lw 2
data = "dht-lookups.tsv"
sizes = system("tail -n +2 " . data . " | cut -f1 | sort -nu")
shares = "0 20 50"
# Rows of a network's size, or of a share of attackers, with nobody dead.
of_size(nodes) = sprintf("< awk '$1 == %s && $3 == 0' %s", nodes, data)
of_share(share) = sprintf("< awk '$2 == %s && $3 == 0' %s", share, data)
dead(nodes) = sprintf("< awk '$1 == %s && $3 > 0' %s", nodes, data)

set output "dht-success." . suffix
set title "Lookups that find the nodes closest to their target"
set xlabel "colluding nodes, % of all"
set ylabel "%"
set xrange [-2:52]
set yrange [90:100.5]
plot for [i=1:words(sizes)] of_size(word(sizes, i)) using 2:5 \
         with linespoints ls i title word(sizes, i) . " nodes", \
     for [i=1:words(sizes)] dead(word(sizes, i)) using 2:5 \
         with points ls i pt 2 ps 1.4 title word(sizes, i) . ", and 30 % of the others dead"

set xlabel "nodes"
set logscale x
set xrange [70:150000]
set xtics (100, 1000, 10000, 100000)

set output "dht-cost." . suffix
set title "What a lookup takes"
set ylabel "datagrams, of everybody"
set y2label "KiB, of everybody"
set yrange [0:*]
set y2range [0:*]
set ytics nomirror
set y2tics
plot for [i=1:words(shares)] of_share(word(shares, i)) using 1:9 \
         with linespoints ls i title word(shares, i) . " % colluding: datagrams", \
     for [i=1:words(shares)] of_share(word(shares, i)) using 1:($10 / 1024) axes x1y2 \
         with linespoints ls i dt 2 title word(shares, i) . " %: KiB"

set output "dht-time." . suffix
set title "Rounds of a lookup, and how long joining takes"
set ylabel "rounds, median"
set y2label "ms until joined, 50 ms there and back"
plot for [i=1:words(shares)] of_share(word(shares, i)) using 1:6 \
         with linespoints ls i title word(shares, i) . " % colluding: rounds", \
     for [i=1:words(shares)] of_share(word(shares, i)) using 1:14 axes x1y2 \
         with linespoints ls i dt 2 title word(shares, i) . " %: joining"
