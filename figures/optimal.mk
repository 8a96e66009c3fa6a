# Networks against the optimal denoiser of their training set, which returns its images: alike while they memorize.

CELLS_optimal := $(foreach data,$(REGIMES_DATA),$(foreach rows,$(REGIMES_ROWS_$(data)), \
    $(foreach width,$(call regimes_widths,$(data),$(rows)),$(CELLS)/optimal-rp/$(data)-rows$(rows)-width$(width).csv)))

$(CELLS)/optimal-rp/%.csv: $$(call drawn_of,$$(call field,width),A) $(CELLS)/optimal/$$(data)-rows$$(call field,rows)-setA.npy $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< $(word 2,$^) $(SIMILAR) | $(call regimes_columns,RP,$(data)$(comma) width $(call field,width))

$(DRAWN)/optimal.csv: $(CELLS_optimal) figures/published/optimal.csv
	@mkdir -p $(@D)
	table cat --fill $^ -o $@

$(DRAWN)/optimal.svg:
	fig line $< $(foreach width,64 128 256,--dashed 'published: CIFAR-10$(comma) $(width)') --x rows --y value --by series --low ci_low --high ci_high --bars --log2-x --y-range 0,1 \
	    --x-label 'training images' --y-label 'RP with the optimal denoiser' -o $@
