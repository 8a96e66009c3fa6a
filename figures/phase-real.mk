# What else changes success: the angle between subspaces, noise, unequal ranks and weights. K-subspaces, K = 2.

REAL_TRIALS := $(call small,5,20)
REAL_SAMPLES := $(call small,4$(comma)8$(comma)16$(comma)32,3-8$(comma)10$(comma)12$(comma)16$(comma)24$(comma)32$(comma)48$(comma)64$(comma)96$(comma)128$(comma)192$(comma)256)
REAL_ANGLES := $(call small,15 45 90,15 30 45 60 75 90)
REAL_NOISES := $(call small,0 0.1 0.3,0 0.05 0.1 0.2 0.3)
REAL_MIXED := step0-weights1+1 step0-weights1+4 step4-weights1+1 step4-weights1+4

CELLS_phase-real := $(REAL_ANGLES:%=$(CELLS)/phase-real/angle%.csv) $(REAL_NOISES:%=$(CELLS)/phase-real/noise%.csv) \
    $(REAL_MIXED:%=$(CELLS)/phase-real/mixed-%.csv)

real_grid = phase-grid --dim 48 --samples $(REAL_SAMPLES) --components 2 --trials $(REAL_TRIALS) \
    --solver subspaces --restarts 30 $1 | table cat --with panel='$2' --with series='$3' -o $@

# Rank 4, exact recovery.
$(CELLS)/phase-real/angle%.csv:
	@mkdir -p $(@D)
	$(call real_grid,--ranks 4 --angle $*,angle between subspaces,$*°)

# With noise nothing is exact: recovered is what is nearer than 0.5 (of 2.8 at most).
$(CELLS)/phase-real/noise%.csv:
	@mkdir -p $(@D)
	$(call real_grid,--ranks 4 --noise-std $* --tol 0.5,noise (error at most 0.5),deviation $*)

# Ranks 4 and 4, or 2 and 6; the component of every row is drawn.
plus = $(subst +,$(comma),$1)
$(CELLS)/phase-real/mixed-%.csv:
	@mkdir -p $(@D)
	$(call real_grid,--ranks $(if $(filter 0,$(call field,step)),4,2) --rank-step $(call field,step) \
	    --weights $(call plus,$(call field,weights)),ranks and weights,$(if \
	    $(filter 0,$(call field,step)),4 and 4,2 and 6)$(comma) $(subst +,:,$(call field,weights)))

$(DRAWN)/phase-real.csv: $(CELLS_phase-real)
	$(joined)

$(DRAWN)/phase-real.svg:
	fig line $< --panel panel --x samples --y success --by series --low ci_low --high ci_high --bars --log2-x \
	    --y-range 0,1 --x-label 'rows of each component (mean)' --y-label 'share recovered' -o $@
