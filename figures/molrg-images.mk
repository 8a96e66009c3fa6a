# What a network, a Gaussian and a mixture fitted to the same images make of the same latents.

MOLRG_IMAGES_DATA := $(call small,digits,fashion digits)
MOLRG_IMAGES_digits := digits-width$(call small,12,24)-rows$(call small,512,1024)-setA
MOLRG_IMAGES_fashion := fashion-width24-rows4096-setA
# `chance`: the mixture from other latents.
CELLS_molrg-images := $(foreach data,$(MOLRG_IMAGES_DATA),$(foreach model,gaussian mixture chance, \
    $(CELLS)/molrg-images/$(data)-model$(model).csv))

molrg_images_set = $(CELLS)/set/$(data)-$(filter rows%,$(subst -, ,$(MOLRG_IMAGES_$(data))))-setA.npy

$(CELLS)/molrg-images/%-modelgaussian.st: $$(molrg_images_set)
	@mkdir -p $(@D)
	dae-fit $< --kind gaussian -o $@

# Ten components, of half of Fashion-MNIST's intrinsic dimensions and more than half of the digits'.
$(CELLS)/molrg-images/%-modelmixture.st: $$(molrg_images_set)
	@mkdir -p $(@D)
	dae-fit $< --kind molrg -k 10 -r 12 --solver em --fit means,variances,weights,noise --restarts 3 --seed 1 -o $@

$(CELLS)/molrg-images/%.npy: $(CELLS)/molrg-images/%.st
	pf-sample $< -n $(IMAGES) --seed 100 --quiet -o $@

$(CELLS)/molrg-images/%-modelchance.npy: $(CELLS)/molrg-images/%-modelmixture.st
	pf-sample $< -n $(IMAGES) --seed 101 --quiet -o $@

# Agreement with the network's images: of descriptors, of raw pixels (the published 0.6), and in pixel values.
$(CELLS)/molrg-images/%.csv: $(CELLS)/drawn/$$(MOLRG_IMAGES_$$(data)).npy $(CELLS)/molrg-images/%.npy $(CELLS)/fitted/$$(data).npy
	score() { rp-score $< $(word 2,$^) "$${@:2}" | table cat --with measure="$$1"; }; \
	table cat <(score whiten:32 $(SIMILAR)) <(score pixels) <(score mae --similarity mae) \
	    --with data=$(data) --with model=$(call field,model) \
	    --columns measure,value,std_error,ci_low,ci_high,n,threshold -o $@

$(DRAWN)/molrg-images.csv: $(CELLS_molrg-images)
	$(joined)

molrg_images_rows = $(CELLS)/drawn/$(MOLRG_IMAGES_$1).npy $(CELLS)/molrg-images/$1-modelgaussian.npy \
    $(CELLS)/molrg-images/$1-modelmixture.npy
MOLRG_IMAGES_LABELS := --label network --label Gaussian --label mixture
$(DRAWN)/molrg-images.svg: $(call molrg_images_rows,$(firstword $(MOLRG_IMAGES_DATA)))
	fig images $(filter %.npy,$^) --columns 16 --scale 4 $(MOLRG_IMAGES_LABELS) -o $@

MORE_molrg-images := $(call small,,molrg-images-digits)
$(DRAWN)/molrg-images-digits.svg: $(call molrg_images_rows,digits)
	fig images $(filter %.npy,$^) --columns 16 --scale 5 $(MOLRG_IMAGES_LABELS) -o $@

.PRECIOUS: $(CELLS)/molrg-images/%-modelgaussian.st \
    $(CELLS)/molrg-images/%-modelmixture.st $(CELLS)/molrg-images/%.npy $(CELLS)/molrg-images/%-modelchance.npy
