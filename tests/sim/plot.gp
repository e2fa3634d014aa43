# tests/sim/plot.gp: plots of the simulation suite. gnuplot -e "dir='build/sim'" tests/sim/plot.gp
set datafile separator "\t"
set terminal svg size 900,500 dynamic background "white"
set grid
set key outside right

set output dir."/windows.svg"
set title "Congestion window of one flow: 20 Mbit/s, 100 ms, 80 packets of queue"
set xlabel "seconds"
set ylabel "segments"
plot for [cc in "reno cubic vegas"] dir."/window-".cc.".tsv" using 1:2 every ::1 with lines title cc

set output dir."/throughput.svg"
set title "Throughput of four flows beside theory (50 Mbit/s, 100 ms, 200 packets of queue, seed 1)"
set xlabel "probability of loss (1e-5 stands for none)"
set ylabel "Mbit/s"
set logscale x
pick(cc, col) = sprintf("< awk -F'\t' '$1==\"%s\" && $3==100 && $4==50 && $5==200 && $6==1 {print ($2>0?$2:1e-5) \"\t\" $%d}' %s/results.tsv", cc, col, dir)
plot for [cc in "reno cubic vegas"] pick(cc, 7) using 1:2 with linespoints title cc, \
     for [cc in "reno cubic"] pick(cc, 8) using 1:2 with lines dashtype 2 title cc.", theory"

unset logscale x
set output dir."/fairness.svg"
set title "Fairness (Jain) over throughput, all runs"
set xlabel "share of what theory expects"
set ylabel "Jain's index"
set yrange [0:1.05]
plot for [cc in "reno cubic vegas cubic+reno cubic+vegas"] \
     sprintf("< awk -F'\t' '$1==\"%s\"' %s/results.tsv", cc, dir) using 9:10 with points pointtype 7 pointsize 0.5 title cc
