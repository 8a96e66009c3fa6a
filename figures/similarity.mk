# Do model families agree on what a latent becomes? RP and MAE for every pair.

SIMILARITY_DATA := $(call small,digits,mnist)
SIMILARITY_SET := $(SIMILARITY_DATA)-rows$(call small,1024,10000)-setA
SIMILARITY_STEPS := $(call small,600,3000)
# The models: name, and how it is fitted; those of several samplers are fitted once.
SIMILARITY_NETWORK := --steps $(SIMILARITY_STEPS) --batch 64
SIMILARITY_gaussian := --kind gaussian
SIMILARITY_mixture := --kind molrg -k 10 -r 12 --solver em --fit means,variances,weights,noise --restarts 3
SIMILARITY_two-layer := --kind two-layer --width 256 $(SIMILARITY_NETWORK)
SIMILARITY_mlp := --kind mlp --width 256 $(SIMILARITY_NETWORK)
SIMILARITY_uvit := --kind uvit --width 48 $(SIMILARITY_NETWORK)
SIMILARITY_unet12 := --kind unet --width 12 --lr 0.003 $(SIMILARITY_NETWORK)
SIMILARITY_unet24 := --kind unet --width 24 --lr 0.003 $(SIMILARITY_NETWORK)
SIMILARITY_unet24-vp := --kind unet --width 24 --lr 0.003 --loss vp $(SIMILARITY_NETWORK)
SIMILARITY_unet24-ve := --kind unet --width 24 --lr 0.003 --loss ve $(SIMILARITY_NETWORK)
SIMILARITY_linear-vae := --kind linear-vae -r 32
# How it is drawn from, where not by Heun's 18 steps.
SIMILARITY_DRAW_unet24-euler := --solver euler
SIMILARITY_DRAW_unet24-dpm3 := --solver dpm3
SIMILARITY_MODELS := $(call small,gaussian mixture mlp unet12 linear-vae, \
    gaussian mixture two-layer mlp uvit unet12 unet24 unet24-vp unet24-ve unet24-euler unet24-dpm3 linear-vae)
CELLS_similarity := $(SIMILARITY_MODELS:%=$(CELLS)/similarity/%)

$(CELLS)/similarity/%.st: $(CELLS)/set/$(SIMILARITY_SET).npy
	@mkdir -p $(@D)
	dae-fit $< $(SIMILARITY_$*) $(if $(findstring gaussian,$*),,--seed 1) --quiet -o $@

# Without an ending, so that the table names models, not files.
$(CELLS)/similarity/%: $(CELLS)/similarity/$$(patsubst unet24-euler,unet24,$$(patsubst unet24-dpm3,unet24,$$*)).st
	pf-sample $< -n $(IMAGES) --seed 100 $(SIMILARITY_DRAW_$*) --quiet -o $@

$(DRAWN)/similarity.csv: $(CELLS_similarity) $(CELLS)/fitted/$(SIMILARITY_DATA).npy
	@mkdir -p $(@D)
	cd $(CELLS)/similarity; \
	score() { rp-score $(SIMILARITY_MODELS) "$${@:2}" | table cat --with measure="$$1"; }; \
	table cat <(score 'RP (whiten:32 above 0.9)' --descriptor whiten:32 --fit ../fitted/$(SIMILARITY_DATA).npy \
	        --threshold 0.9) \
	    <(score 'MAE (below 15 of 255)' --similarity mae) -o '$(CURDIR)/$@'

$(DRAWN)/similarity.svg:
	fig matrix $< --panel measure --row a --column b --value value --range 0,1 --x-label '' --y-label '' $(call small,,--width 1300 --height 720) -o $@

.PRECIOUS: $(CELLS)/similarity/%.st $(CELLS)/similarity/%
