# Do model families agree on what a latent becomes? RP and MAE for every pair, and of each with its own second seed.

SIMILARITY_DATA := $(call small,digits,mnist)
SIMILARITY_SET := $(SIMILARITY_DATA)-rows$(call small,1024,10000)-setA
# Networks are trained this long, and of the full size shorter, too: has a network's RP with its second seed stopped rising?
SIMILARITY_STEPS := $(call small,600,6000)
SIMILARITY_LENGTHS := $(call small,,3000) $(SIMILARITY_STEPS)
# Where it has not, longer.
SIMILARITY_LONGER_unet12-ve := 12000 24000 48000
SIMILARITY_LONGER_consistency := 12000 24000
SIMILARITY_LONGER_consistency-flow := $(SIMILARITY_LONGER_consistency)
# And longer still, for their agreement with themselves alone.
SIMILARITY_ALONE_consistency := 48000
SIMILARITY_ALONE_consistency-flow := $(SIMILARITY_ALONE_consistency)
similarity_lengths = $(SIMILARITY_LENGTHS) $(SIMILARITY_LONGER_$1)
# The models, and how each is fitted.
SIMILARITY_gaussian := --kind gaussian
SIMILARITY_mixture := --kind molrg -k 10 -r 12 --solver em --fit means,variances,weights,noise --restarts 3
SIMILARITY_two-layer := --kind two-layer --width 256 --batch 32
SIMILARITY_mlp := --kind mlp --width 256 --batch 32
SIMILARITY_uvit := --kind uvit --width 48 --batch 32
SIMILARITY_unet12 := --kind unet --width 12 --batch 32
SIMILARITY_unet8 := --kind unet --width 8 --batch 32
SIMILARITY_unet12-vp := $(SIMILARITY_unet12) --loss vp
SIMILARITY_unet12-subvp := $(SIMILARITY_unet12) --loss subvp
SIMILARITY_unet12-ve := $(SIMILARITY_unet12) --loss ve
SIMILARITY_consistency := $(SIMILARITY_unet12) --loss consistency
SIMILARITY_linear-vae := --kind linear-vae -r 32
SIMILARITY_vae := --kind vae -r 32
SIMILARITY_gan := --kind gan -r 32
# Those of other samplers than Heun's 18 steps: how they are drawn from, and what is drawn from.
SIMILARITY_DRAW_euler := --solver euler
SIMILARITY_DRAW_dpm3 := --solver dpm3
SIMILARITY_DRAW_vp-schedule := --schedule vp --steps 36
SIMILARITY_DRAW_subvp-schedule := --schedule subvp --steps 36
SIMILARITY_DRAW_consistency := --solver euler --steps 1
SIMILARITY_DRAW_consistency-flow :=
SIMILARITY_FITTED_consistency-flow := consistency
SIMILARITY_FITTED_euler := unet12
SIMILARITY_FITTED_dpm3 := unet12
SIMILARITY_FITTED_vp-schedule := unet12
SIMILARITY_FITTED_subvp-schedule := unet12

# What has no seed, and what is trained step by step.
SIMILARITY_CLOSED := gaussian mixture linear-vae
SIMILARITY_MODELS := $(call small,gaussian mixture mlp unet8 gan vae linear-vae, \
    gaussian mixture two-layer mlp uvit unet8 unet12 euler dpm3 vp-schedule subvp-schedule unet12-vp unet12-subvp \
    unet12-ve consistency-flow consistency gan vae linear-vae)
SIMILARITY_SEEDED := $(filter-out gaussian,$(SIMILARITY_MODELS))
SIMILARITY_TRAINED := $(filter-out $(SIMILARITY_CLOSED),$(SIMILARITY_SEEDED))
SIMILARITY_SELF := $(foreach model,$(SIMILARITY_TRAINED),$(patsubst %,$(model)-steps%,$(call similarity_lengths,$(model)) $(call small,,$(SIMILARITY_ALONE_$(model))))) \
    $(filter $(SIMILARITY_CLOSED),$(SIMILARITY_SEEDED))
CELLS_similarity := $(SIMILARITY_MODELS:%=$(CELLS)/similarity/drawn/%) $(SIMILARITY_SELF:%=$(CELLS)/similarity/self/%.csv)

# Of unet12-vp-steps3000-seed1, the model unet12-vp. Seed 0 and length 0 are of what has none.
similarity_model = $(subst $(if $(call field,steps),-steps$(call field,steps))$(if $(call field,seed),-seed$(call field,seed)),,$(basename $(notdir $@)))
similarity_suffix = $(if $(call field,steps),-steps$(call field,steps))-seed$(call field,seed)
$(CELLS)/similarity/fitted/%.st: $(CELLS)/set/$(SIMILARITY_SET).npy
	@mkdir -p $(@D)
	dae-fit $< $(SIMILARITY_$(similarity_model)) $(if $(call field,steps),--steps $(call field,steps)) \
	    $(if $(filter gaussian,$(similarity_model)),,--seed $(call field,seed)) --quiet -o $@

# The longest training of the model $1 is compared with others.
similarity_last = $1$(if $(filter $(SIMILARITY_CLOSED),$1),,-steps$(lastword $(call similarity_lengths,$1)))

# Draws of the same latents.
$(CELLS)/similarity/draws/%.npy: $(CELLS)/similarity/fitted/$$(or $$(SIMILARITY_FITTED_$$(similarity_model)),$$(similarity_model))$$(similarity_suffix).st
	@mkdir -p $(@D)
	pf-sample $< -n $(IMAGES) --seed 100 $(SIMILARITY_DRAW_$(similarity_model)) --quiet -o $@

# Those that are compared: without an ending, so that the table names models, not files.
$(CELLS)/similarity/drawn/%: $(CELLS)/similarity/draws/$$(call similarity_last,$$*)-seed1.npy
	@mkdir -p $(@D)
	ln -f $< $@

SIMILARITY_RP := --descriptor whiten:32 --fit $(CELLS)/fitted/$(SIMILARITY_DATA).npy --threshold 0.9
SIMILARITY_MEASURE_RP := RP (whiten:32 above 0.9)
SIMILARITY_MEASURE_MAE := MAE (below 15 of 255)
$(CELLS)/similarity/self/%.csv: $(CELLS)/similarity/draws/%-seed1.npy $(CELLS)/similarity/draws/%-seed2.npy $(CELLS)/fitted/$(SIMILARITY_DATA).npy
	@mkdir -p $(@D)
	model=$(similarity_model); table cat <(rp-score $(wordlist 1,2,$^) $(SIMILARITY_RP) | table cat --with measure='$(SIMILARITY_MEASURE_RP)') \
	    <(rp-score $(wordlist 1,2,$^) --similarity mae | table cat --with measure='$(SIMILARITY_MEASURE_MAE)') \
	    --columns score,value,std_error,ci_low,ci_high,n,threshold,baseline,measure \
	    | table cat --with a=$$model --with b=$$model $(if $(call field,steps),$(call with,steps)) -o $@

# All pairs, and on the diagonal every model with its own second seed.
$(DRAWN)/similarity.csv: $(CELLS_similarity) $(CELLS)/fitted/$(SIMILARITY_DATA).npy
	@mkdir -p $(@D)
	cd $(CELLS)/similarity/drawn; \
	score() { rp-score $(SIMILARITY_MODELS) "$${@:2}" | table cat --with measure="$$1"; }; \
	table cat <(score '$(SIMILARITY_MEASURE_RP)' $(subst $(CELLS)/,../../,$(SIMILARITY_RP))) \
	    <(score '$(SIMILARITY_MEASURE_MAE)' --similarity mae) \
	    <(table cat --fill $(foreach model,$(SIMILARITY_SEEDED), \
	        ../self/$(call similarity_last,$(model)).csv) \
        --columns a,b,score,value,std_error,ci_low,ci_high,n,threshold,baseline,measure) \
	    --columns a,b,score,value,std_error,ci_low,ci_high,n,threshold,baseline,measure -o '$(CURDIR)/$@'

TABLES_similarity := similarity-self
$(DRAWN)/similarity-self.csv: $(filter %.csv,$(CELLS_similarity))
	@mkdir -p $(@D)
	table cat --fill $^ --columns a,steps,measure,value,std_error -o $@

$(DRAWN)/similarity.svg:
	fig matrix $< --panel measure --row a --column b --value value --range 0,1 --x-label '' --y-label '' $(call small,,--width 1900 --height 860) -o $@

.PRECIOUS: $(CELLS)/similarity/fitted/%.st $(CELLS)/similarity/draws/%.npy $(CELLS)/similarity/drawn/% $(CELLS)/similarity/self/%.csv
