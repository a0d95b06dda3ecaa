# Figures 10 and 11 from the TSV files beside them; bench/paper-tables sets the terminal and `suffix`.
set datafile separator "\t"
set key outside below spacing 1.2
set bmargin 8
set grid ytics lc rgb "#dddddd"
set style line 1 lc rgb "#1b6ca8" pt 7 lw 2
set style line 2 lc rgb "#2a9d8f" pt 5 lw 2
set style line 3 lc rgb "#e9a23b" pt 9 lw 2
set style line 4 lc rgb "#c8553d" pt 11 lw 2
sizes = "256 512 1024 2048"

set output "figure10-throughput-lost." . suffix
set title "Throughput lost to receipts"
set xlabel "download limit, MB/s"
set ylabel "less than without receipts, %"
set logscale x
set xtics (1, 5, 10, 20, 50, 100)
rows(column, value, file) = sprintf("< awk '$%d == \"%s\"' %s", column, value, file)
data = "figure10-throughput-lost.tsv"
plot for [i=1:4] rows(2, word(sizes, i), data) using 1:4 \
         with linespoints ls i title word(sizes, i) . " KiB, a receipt per piece", \
     for [i=1:4] rows(2, word(sizes, i), data) using 1:5 \
         with linespoints ls i dt 2 title word(sizes, i) . " KiB, cumulative"

set output "figure11-cost-of-forms." . suffix
set title "CPU seconds that receipts cost, both sides together"
set xlabel "piece length, KiB"
set ylabel "CPU seconds per GiB"
set yrange [*:*]
set xrange [200:2600]
set xtics (256, 512, 1024, 2048)
data = "figure11-cost-of-forms.tsv"
forms = "piece batch session cumulative"
plot for [i=1:4] rows(2, word(forms, i), data) using 1:3 \
         with linespoints ls i title word(forms, i)
