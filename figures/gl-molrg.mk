# Networks on a mixture: generalization against rows for each dimension.

GL_RATIOS := $(call small,2 5 15 50,2 5 10 15 30 50 100 200)
GL_SEEDS := $(call small,1,1 2 3)
# All widths at rank 6, the others at three widths (small: one).
GL_STUDENTS := $(foreach ratio,$(GL_RATIOS),$(foreach seed,$(GL_SEEDS), \
    $(foreach width,$(call small,64 128 192,64 128 256 512),rank6-width$(width)-ratio$(ratio)-seed$(seed)) \
    $(foreach rank,$(call small,3,3 4 5), \
        $(foreach width,$(call small,128,64 128 256),rank$(rank)-width$(width)-ratio$(ratio)-seed$(seed)))))

CELLS_gl-molrg := $(GL_STUDENTS:%=$(CELLS)/gl-molrg/%.csv)

$(CELLS)/gl-molrg/%.csv: $(CELLS)/student/%.st $$(CELLS)/train/$$(student_of).npy $$(CELLS)/fresh/rank$$(call field,rank).npy
	@mkdir -p $(@D)
	pf-sample $< -n 1000 --seed 100 \
	    | rp-score - --train $(word 2,$^) --reference $(word 3,$^) --gl distance \
	    | table cat $(call with,rank width ratio seed) --columns gl=value -o $@

$(DRAWN)/gl-molrg.csv: $(CELLS_gl-molrg)
	@mkdir -p $(@D)
	table cat $^ | table mean --by rank,width,ratio --value gl -o $@

# Where GL is a half, in rows of each component over the rank.
TABLES_gl-molrg := gl-molrg-half
$(DRAWN)/gl-molrg-half.csv: $(CELLS_gl-molrg)
	@mkdir -p $(@D)
	table cat $^ | table crossing --x ratio --log-x --y gl --level 0.5 --by rank,width,seed \
	    | table mean --by rank,width --value ratio -o $@

$(DRAWN)/gl-molrg.svg:
	fig line $< --panel width --x ratio --y gl --by rank --error gl_std_error --log-x --hline 0.5 --hline 1 \
	    --shade '50,60:published' --x-label 'rows of each component / rank' --y-label GL -o $@
