# The picture of the README: three curves of regimes, under plain names. GL is that of the narrower network.

# The first data set's two narrowest widths, and their series in the table of regimes.
README_DATA := $(firstword $(REGIMES_DATA))
README_WIDTHS := $(wordlist 1,2,$(REGIMES_WIDTHS_$(README_DATA)))
README_NARROW := $(firstword $(README_WIDTHS))
readme_curve = table cat $< --filter data=$(README_DATA) --filter score=$1 --filter 'series=$2' \
    --columns rows,value,ci_low,ci_high | table cat --with 'two networks=$3'

$(DRAWN)/readme.csv: $(DRAWN)/regimes.csv
	table cat \
	    <($(call readme_curve,rp,widths $(README_NARROW) and $(lastword $(README_WIDTHS)),agree)) \
	    <($(call readme_curve,rp,width $(README_NARROW)$(comma) disjoint sets,agree (disjoint sets))) \
	    <($(call readme_curve,gl,width $(README_NARROW),make new images)) -o $@

$(DRAWN)/readme.svg:
	fig line $< --x rows --y value --by 'two networks' --low ci_low --high ci_high --bars --log2-x --y-range 0,1 \
	    $(call small,,--shade '16$(comma)36:they copy' --shade '512$(comma)4096:they generalize') \
	    --x-label 'training images' --y-label 'share of latents' --width 760 --height 360 -o $@
