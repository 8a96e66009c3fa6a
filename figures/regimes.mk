# From memorization to generalization: do networks of two widths agree (RP), and are their images new (GL)?

# Files for the data $1, the rows $2.
regimes_cells = $(foreach pair,$(call regimes_pairs,$1,$2),rp/$1-rows$2-$(pair)) \
    $(foreach width,$(call regimes_widths,$1,$2),gl/$1-rows$2-width$(width)) gl-held-out/$1-rows$2 \
    $(foreach width,$(REGIMES_WIDTH_$1),rp-disjoint/$1-rows$2-width$(width) rp-chance/$1-rows$2-width$(width))

CELLS_regimes := $(foreach data,$(REGIMES_DATA),$(foreach rows,$(REGIMES_ROWS_$(data)), \
    $(patsubst %,$(CELLS)/regimes/%.csv,$(call regimes_cells,$(data),$(rows)))))

$(CELLS)/regimes/rp/%.csv: $$(call drawn_of,$$(call field,a),A) $$(call drawn_of,$$(call field,b),A) $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< $(word 2,$^) $(SIMILAR) | $(call regimes_columns,RP,widths $(call field,a) and $(call field,b))

$(CELLS)/regimes/rp-disjoint/%.csv: $(CELLS)/drawn/$$(here)-setA.npy $(CELLS)/drawn/$$(here)-setB.npy $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< $(word 2,$^) $(SIMILAR) | $(call regimes_columns,RP,width $(call field,width)$(comma) disjoint sets)

$(CELLS)/regimes/rp-chance/%.csv: $(CELLS)/drawn/$$(here)-setA.npy $(CELLS)/drawn-otherwise/$$(here)-setA.npy $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< $(word 2,$^) $(SIMILAR) | $(call regimes_columns,RP,width $(call field,width)$(comma) other latents)

$(CELLS)/regimes/gl/%.csv: $(CELLS)/drawn/$$(here)-setA.npy $(CELLS)/set/$$(data)-rows$$(call field,rows)-setA.npy $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< --train $(word 2,$^) --gl similarity,ratio $(SIMILAR) | $(call regimes_columns,GL,width $(call field,width))

$(CELLS)/regimes/gl-held-out/%.csv: $(CELLS)/held-out/$$(data).npy $(CELLS)/set/$$(data)-rows$$(call field,rows)-setA.npy $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< --train $(word 2,$^) --gl similarity,ratio $(SIMILAR) | $(call regimes_columns,GL,held-out images)

$(DRAWN)/regimes.csv: $(CELLS_regimes) figures/published/regimes.csv
	@mkdir -p $(@D)
	table cat --fill $^ -o $@

# GL in similarity form; the table has the ratio form, too.
regimes_lines = fig line $(DRAWN)/regimes.csv $1 --filter score=rp --filter score=gl --panel panel --x rows --y value \
    --by series --low ci_low --high ci_high --bars --log2-x --y-range 0,1 --x-label 'training images' --y-label '' -o $@
$(DRAWN)/regimes.svg:
	$(call regimes_lines,--filter data=$(firstword $(REGIMES_DATA)) --filter data=published \
	    $(foreach series,64+and+128 64+and+256 128+and+256 width+64 width+128 width+256, \
	        --dashed 'published: $(subst +, ,$(series))'))
MORE_regimes := $(call small,,regimes-fashion)
$(DRAWN)/regimes-fashion.svg: $(DRAWN)/regimes.csv
	$(call regimes_lines,--filter data=fashion)

# Where does GL pass a half when the widest is trained longer? Networks of 3000 steps, and of as many for each unit of
# width as the one of 24 has; rows on both sides.
REGIMES_LAWS := $(call small,,constant width)
REGIMES_LAW_constant := $(foreach rows,32 64 128,mnist-width12-rows$(rows)) $(foreach rows,128 256,mnist-width24-rows$(rows)) \
    $(foreach rows,64 256,mnist-width48-rows$(rows))
REGIMES_LAW_width := $(foreach rows,32 64 128,mnist-width12-rows$(rows)-steps1500) \
    $(foreach rows,128 256,mnist-width24-rows$(rows)) $(foreach rows,256 512,mnist-width48-rows$(rows)-steps6000)
REGIMES_LABEL_constant := 3000 steps
REGIMES_LABEL_width := 125 steps a unit

$(CELLS)/regimes/steps/%.csv: $(CELLS)/drawn/%-setA.npy $(CELLS)/set/$$(data)-rows$$(call field,rows)-setA.npy \
    $(CELLS)/fitted/$$(data).npy $(CELLS)/parameters/unet$$(call field,width).csv
	@mkdir -p $(@D)
	parameters=$$(table cat $(word 4,$^) --columns parameters | tail -n 1); \
	    rp-score $< --train $(word 2,$^) $(SIMILAR) | table cat --filter score=gl $(call with,width rows) \
	    --with steps=$(unet_steps) --with parameters=$$parameters \
	    --columns score,value,std_error,ci_low,ci_high -o $@
CELLS_regimes += $(sort $(foreach law,$(REGIMES_LAWS),$(REGIMES_LAW_$(law):%=$(CELLS)/regimes/steps/%.csv)))
.PRECIOUS: $(CELLS)/regimes/steps/%.csv
regimes_law = $(REGIMES_LAW_$1:%=$(CELLS)/regimes/steps/%.csv)
$(CELLS)/regimes/law-%.csv: $$(call regimes_law,%)
	table cat $^ | table cat --with law='$(REGIMES_LABEL_$*)' -o $@

TABLES_regimes := $(if $(REGIMES_LAWS),regimes-steps regimes-steps-crossing)
$(DRAWN)/regimes-steps.csv: $(REGIMES_LAWS:%=$(CELLS)/regimes/law-%.csv)
	$(joined)
$(DRAWN)/regimes-steps-crossing.csv: $(DRAWN)/regimes-steps.csv
	table crossing $< --x rows --log-x --y value --level 0.5 --by law,width,steps,parameters -o $@
