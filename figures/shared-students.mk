# Networks trained on rows that a mixture drew, in R^48, two components: of gl-molrg, pfd-scaling, bias-variance.
# `ratio` is rows of each component over its rank.

STUDENT_STEPS = $(call small,2000,$(if $(filter 64 128,$(call field,width)),8000,4000))

$(CELLS)/teacher/rank%.st:
	@mkdir -p $(@D)
	molrg-gen -d 48 -k 2 -r $* -n 1 --seed 0 --truth $@ -o /dev/null

# Row i is drawn from (seed, i) alone: smaller sets are the first rows of larger ones.
$(CELLS)/train/rank%.npy: $$(CELLS)/teacher/rank$$(call field,rank).st
	@mkdir -p $(@D)
	molrg-gen --from $< --balanced -n $$((2 * $(call field,rank) * $(call field,ratio))) --seed $(call field,seed) -o $@

$(CELLS)/fresh/rank%.npy: $(CELLS)/teacher/rank%.st
	@mkdir -p $(@D)
	molrg-gen --from $< --balanced -n 2000 --seed 1000 -o $@

student_of = rank$(call field,rank)-ratio$(call field,ratio)-seed$(call field,seed)

$(CELLS)/student/%.st: $$(CELLS)/train/$$(student_of).npy
	@mkdir -p $(@D)
	dae-fit $< --kind mlp --width $(call field,width) --steps $(STUDENT_STEPS) --batch 128 \
	    --lr 0.003 --seed $(call field,seed) --quiet -o $@

$(CELLS)/empirical/%.st: $(CELLS)/train/%.npy
	@mkdir -p $(@D)
	dae-fit $< --kind empirical -o $@

.PRECIOUS: $(CELLS)/teacher/rank%.st $(CELLS)/train/rank%.npy $(CELLS)/fresh/rank%.npy $(CELLS)/student/%.st \
    $(CELLS)/empirical/%.st
