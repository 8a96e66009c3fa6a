# What denoisers' answers and features say of classes, over noise levels: signal to noise in the classes' subspaces, and
# a linear probe (arXiv 2502.05743).

REPRESENTATION_LEVELS := $(call small,0.008 0.14 0.296 0.585 1.923,0.008 0.023 0.06 0.14 0.296 0.585 1.088 1.923)
# Posterior means: of mixtures of two and of three components, and of what N rows of the latter teach; and features of
# U-Nets. Of two components that differ by their subspaces alone a linear probe is chance.
REPRESENTATION_MIXTURES := exact3 $(call small,empirical-rows30 empirical-rows3000, \
    empirical-rows30 empirical-rows300 empirical-rows3000 mlp-rows30 mlp-rows4000)
REPRESENTATION_UNETS := unet-rows16 unet-rows512
REPRESENTATION_snr := exact2 $(REPRESENTATION_MIXTURES) $(REPRESENTATION_UNETS)
REPRESENTATION_linear := exact3 empirical-rows30 $(call small,,mlp-rows30 mlp-rows4000)
CELLS_representation := $(foreach measure,snr linear,$(foreach model,$(REPRESENTATION_$(measure)), \
    $(REPRESENTATION_LEVELS:%=$(CELLS)/representation/$(measure)/$(model)-sigma%.csv)))

# R^50, rank 5, noise of 0.2 in the other components' subspaces.
$(CELLS)/representation/truth%.st:
	@mkdir -p $(@D)
	molrg-gen -d 50 -r 5 -k $* --noise-std 0.2 --noise-in union -n 1 --seed 1 --truth $@ -o /dev/null
$(CELLS)/representation/points%.npy $(CELLS)/representation/labels%.npy &: $(CELLS)/representation/truth%.st
	@mkdir -p $(@D)
	molrg-gen --from $< -n $(call small,10000,20000) --seed 77 --labels $(@D)/labels$*.npy -o $(@D)/points$*.npy
$(CELLS)/representation/rows%.npy: $(CELLS)/representation/truth3.st
	@mkdir -p $(@D)
	molrg-gen --from $< -n $* --seed 1 -o $@

# Digits that no network of set A has seen.
$(CELLS)/representation/points-digits.npy: $(CELLS)/images/digits.npy
	@mkdir -p $(@D)
	npy cat $< --rows 600.. -o $@
$(CELLS)/representation/labels-digits.npy:
	@mkdir -p $(@D)
	npy cat $(DIGITS:x=y) --rows 600.. -o $@

$(CELLS)/representation/empirical-%.st: $(CELLS)/representation/%.npy
	dae-fit $< --kind empirical -o $@
$(CELLS)/representation/mlp-%.st: $(CELLS)/representation/%.npy
	dae-fit $< --kind mlp --width 256 --steps 8000 --batch 128 --quiet -o $@

# Model, points and labels of the target, and what the first makes of noisy points.
representation_model = $(if $(filter unet,$(data)),$(CELLS)/unet/digits-width12-rows$(call field,rows)-setA.st, \
    $(CELLS)/representation/$(patsubst exact%,truth%,$(firstword $(subst -sigma, ,$(basename $(notdir $@))))).st)
representation_data = $(if $(filter unet,$(data)),-digits,$(if $(filter exact2,$(data)),2,3)).npy
representation_inputs = $(representation_model) $(foreach part,points labels,$(CELLS)/representation/$(part)$(representation_data))
representation_features = $(if $(filter unet,$(data)),dae-features --layer middle.1,dae-apply) $< $(word 2,$^) \
    --sigma $(call field,sigma) --add-noise --seed 5 --quiet
representation_columns = table let value=$1 | table cat --with model=$(data) $(call with,rows sigma) --with measure='$2' \
    --columns value,std_error -o $@

# Of features as published: of length 1, about their mean.
$(CELLS)/representation/snr/%.csv: $$(representation_inputs)
	@mkdir -p $(@D)
	$(representation_features) | probe snr - $(word 3,$^) --rank 5 $(if $(filter unet,$(data)),--normalize --center) \
	    | table cat --filter class=all | $(call representation_columns,snr,signal to noise)

$(CELLS)/representation/linear/%.csv: $$(representation_inputs)
	@mkdir -p $(@D)
	$(representation_features) | probe linear - $(word 3,$^) | $(call representation_columns,accuracy,linear probe)

$(DRAWN)/representation.csv: $(CELLS_representation)
	$(joined)

$(DRAWN)/representation.svg:
	fig line $< --panel measure --free --x sigma --y value --by model,rows --log-x --x-label σ --y-label '' -o $@

.PRECIOUS: $(CELLS)/representation/truth%.st $(CELLS)/representation/rows%.npy $(CELLS)/representation/points%.npy \
    $(CELLS)/representation/labels%.npy $(CELLS)/representation/empirical-%.st $(CELLS)/representation/mlp-%.st
