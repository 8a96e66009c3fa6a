# Guidance in the linear model: its parts alone and together over the weight, and whether a network's follows it
# (classifier-free guidance, D + γ (D − D_u), of a class and of all).

# Three classes in R^48 of rank 4, orthogonal, with noise of 0.5 and means; the first is asked for. Of all: the one
# Gaussian with their moments.
GUIDANCE_LAW := molrg-gen -d 48 -r 4 -k 3 --mean-norm 2 --balanced --seed 1
GUIDANCE_GAMMAS := $(call small,0 1 2,0 1 2 4)
GUIDANCE_PARTS := full mean positive negative
# Noise levels at which it is applied: all, those above 1, those below.
GUIDANCE_INTERVAL_all :=
GUIDANCE_INTERVAL_high := --guidance-interval 1,80
GUIDANCE_INTERVAL_low := --guidance-interval 0,1
GUIDANCE_RUNS := $(foreach gamma,$(GUIDANCE_GAMMAS),$(foreach run,$(GUIDANCE_PARTS:%=linear-part%-intervalall) \
    $(call small,,linear-partfull-intervalhigh linear-partfull-intervallow) network-partfull-intervalall,$(run)-gamma$(gamma)))
GUIDANCE_MEASURES := shift spread positive negative
GUIDANCE_LEVELS := $(call small,0.2 1 4,0.1 0.2 0.5 1 2 4 8 16)
CELLS_guidance := $(foreach measure,$(GUIDANCE_MEASURES),$(GUIDANCE_RUNS:%=$(CELLS)/guidance/$(measure)/%.csv))
GUIDANCE_APART := $(foreach model,mixture network,$(GUIDANCE_LEVELS:%=$(CELLS)/guidance/apart/$(model)-sigma%.csv))

$(CELLS)/guidance/mixture.st $(CELLS)/guidance/rows.npy $(CELLS)/guidance/labels.npy &:
	@mkdir -p $(@D)
	$(GUIDANCE_LAW) --noise-std 0.5 -n $(call small,3000,20000) --truth $(@D)/mixture.st --labels $(@D)/labels.npy -o $(@D)/rows.npy
$(CELLS)/guidance/class.st: $(CELLS)/guidance/mixture.st
	mixture select $< --components 0 -o $@
$(CELLS)/guidance/pooled.st: $(CELLS)/guidance/mixture.st
	mixture pool $< -o $@
$(CELLS)/guidance/network.st: $(CELLS)/guidance/rows.npy $(CELLS)/guidance/labels.npy
	dae-fit $< --labels $(word 2,$^) --kind mlp --width 128 --steps $(call small,2000,6000) --batch 128 \
	    --seed 1 --quiet -o $@
# The subspaces of the classes alone: at little noise the denoiser of one projects onto it.
$(CELLS)/guidance/planes.st:
	@mkdir -p $(@D)
	$(GUIDANCE_LAW) -n 1 --truth $@ -o /dev/null
$(CELLS)/guidance/plane%.st: $(CELLS)/guidance/planes.st
	mixture select $< --components $* -o $@

# Two models of a class and of all, or a network of both, from the same latents for all γ and parts.
guidance_linear := class.st --unconditional $(CELLS)/guidance/pooled.st
guidance_network := network.st --class 0
$(CELLS)/guidance/drawn/%.npy: $(CELLS)/guidance/class.st $(CELLS)/guidance/pooled.st $(CELLS)/guidance/network.st
	@mkdir -p $(@D)
	pf-sample $(CELLS)/guidance/$(guidance_$(data)) -n $(call small,500,2000) --seed 3 --guidance $$((1 + $(call field,gamma))) \
	    --guidance-part $(call field,part) $(GUIDANCE_INTERVAL_$(call field,interval)) --quiet -o $@

guidance_columns = table let value=$1 | table cat --with model=$(data) $(call with,part interval gamma) --with measure='$2' \
    --columns value -o $@
guidance_moments = dae-fit --kind gaussian | mixture info

# What guidance moves samples by: ‖mean‖, and the root of the mean square about it.
guidance_moved = npy let 'x-y' --in x=$< --in y=$(guidance_none) | $(guidance_moments)
guidance_none = $(CELLS)/guidance/drawn/$(data)-partfull-intervalall-gamma0.npy
$(CELLS)/guidance/shift/%.csv: $(CELLS)/guidance/drawn/%.npy $$(guidance_none)
	@mkdir -p $(@D)
	$(guidance_moved) | $(call guidance_columns,mean_norm,mean of what it moves)
$(CELLS)/guidance/spread/%.csv: $(CELLS)/guidance/drawn/%.npy $$(guidance_none)
	@mkdir -p $(@D)
	$(guidance_moved) | $(call guidance_columns,'max(trace$(comma)0)^0.5',spread of what it moves)

# The variance in the subspace of the class, which has more of it than all have; and in one of another, which has less.
guidance_energy = dae-apply $(CELLS)/guidance/plane$1.st $< --sigma 0.001 | $(guidance_moments)
$(CELLS)/guidance/positive/%.csv: $(CELLS)/guidance/drawn/%.npy $(CELLS)/guidance/plane0.st
	@mkdir -p $(@D)
	$(call guidance_energy,0) | $(call guidance_columns,trace,variance in positive components)
$(CELLS)/guidance/negative/%.csv: $(CELLS)/guidance/drawn/%.npy $(CELLS)/guidance/plane1.st
	@mkdir -p $(@D)
	$(call guidance_energy,1) | $(call guidance_columns,trace,variance in negative components)

# D − D_u of the mixture and of the network against the linear one, at noisy rows: mean square apart over mean square.
guidance_points = npy cat $(CELLS)/guidance/rows.npy --rows ..1000
guidance_at = dae-apply $1 <($(guidance_points)) --sigma $(call field,sigma) --add-noise --seed 5
guidance_vector_linear = npy let 'x-y' --in x=<($(call guidance_at,$(CELLS)/guidance/class.st)) --in y=<($(call guidance_at,$(CELLS)/guidance/pooled.st))
guidance_vector_mixture = npy let 'x-y' --in x=<($(call guidance_at,$(CELLS)/guidance/class.st)) --in y=<($(call guidance_at,$(CELLS)/guidance/mixture.st))
guidance_vector_network = npy let 'x-y' --in x=<($(call guidance_at,$(CELLS)/guidance/network.st) --class 0) --in y=<($(call guidance_at,$(CELLS)/guidance/network.st))
$(CELLS)/guidance/apart/%.csv: $(CELLS)/guidance/class.st $(CELLS)/guidance/pooled.st $(CELLS)/guidance/network.st
	@mkdir -p $(@D)
	square() { $(guidance_moments) | table let 'value=trace+mean_norm^2' | table cat --columns value | tail -n 1; }; \
	    all=$$($(guidance_vector_linear) | square); \
	    apart=$$(npy let 'x-y' --in x=<($(guidance_vector_$(data))) --in y=<($(guidance_vector_linear)) | square); \
	    printf 'sigma,apart\n%s,%s\n' $(call field,sigma) $$apart | table let "value=apart/$$all" \
	    | table cat --with model=$(data) --columns sigma,value -o $@

$(DRAWN)/guidance.csv: $(CELLS_guidance)
	$(joined)
$(DRAWN)/guidance-apart.csv: $(GUIDANCE_APART)
	$(joined)
TABLES_guidance := guidance-apart guidance-images

# A U-Net that learned the classes of images: is the class drawn that is asked for, by what a linear probe of real images
# says, and what is left of the entropy?
GUIDANCE_IMAGES := $(call small,digits,fashion)
GUIDANCE_TRAIN_digits := npy cat $(CELLS)/images/digits.npy --rows ..1200
GUIDANCE_TRAIN_fashion := npy cat $(CELLS)/images/fashion.npy
GUIDANCE_TRAIN_LABELS_digits := npy cat $(DIGITS:x=y) --rows ..1200
GUIDANCE_TRAIN_LABELS_fashion := npy cat '$(subst images-idx3,labels-idx1,$(FASHION))'
GUIDANCE_TEST_digits := npy cat $(CELLS)/images/digits.npy --rows 1200..
GUIDANCE_TEST_fashion := npy images '$(subst train-,t10k-,$(FASHION))' --pool 2
GUIDANCE_TEST_LABELS_digits := npy cat $(DIGITS:x=y) --rows 1200..
GUIDANCE_TEST_LABELS_fashion := npy cat '$(subst train-images-idx3,t10k-labels-idx1,$(FASHION))'
GUIDANCE_UNET := $(call small,--width 8 --steps 400 --batch 32,--width 20 --steps 8000 --batch 64)
GUIDANCE_DRAWS := $(call small,30,400)
GUIDANCE_CLASSES := 0 1 2 3 4 5 6 7 8 9

guidance_real = $(CELLS)/guidance/images/train.npy $(CELLS)/guidance/images/train-labels.npy
$(guidance_real) &: $(CELLS)/images/$(GUIDANCE_IMAGES).npy
	@mkdir -p $(@D)
	$(GUIDANCE_TRAIN_LABELS_$(GUIDANCE_IMAGES)) -o $(CELLS)/guidance/images/train-labels.npy
	$(GUIDANCE_TRAIN_$(GUIDANCE_IMAGES)) -o $(CELLS)/guidance/images/train.npy
$(CELLS)/guidance/images/network.st: $(guidance_real)
	dae-fit $< --labels $(word 2,$^) --kind unet $(GUIDANCE_UNET) --lr 0.003 --drop-label 0.1 --seed 1 --quiet -o $@
$(CELLS)/guidance/images/drawn-weight%.npy: $(CELLS)/guidance/images/network.st
	for class in $(GUIDANCE_CLASSES); do \
	    pf-sample $< -n $(GUIDANCE_DRAWS) --seed 1$$class --class $$class $(if $(filter 1,$*),,--guidance $*) \
	        --steps 40 --churn 20 --quiet -o $(@D)/class$$class-weight$*.npy; \
	done
	npy cat $(GUIDANCE_CLASSES:%=$(@D)/class%-weight$*.npy) -o $@
$(CELLS)/guidance/images/asked.csv:
	@mkdir -p $(@D)
	for class in $(GUIDANCE_CLASSES); do for i in $$(seq $(GUIDANCE_DRAWS)); do echo $$class; done; done > $@

guidance_told = table cat <(probe linear $(guidance_real) $1 $2 --quiet | table cat --columns value=accuracy,std_error,n --with measure=accuracy) \
    <(entropy $1 --quiet | table cat --columns value=entropy,std_error,n --with measure=entropy) \
    | table cat --with images=$(GUIDANCE_IMAGES) --with from=$3 --with guidance=$4 -o $@
$(CELLS)/guidance/images/weight%.csv: $(CELLS)/guidance/images/drawn-weight%.npy $(CELLS)/guidance/images/asked.csv $(guidance_real)
	$(call guidance_told,$<,$(word 2,$^),network,$*)
$(CELLS)/guidance/images/real.csv: $(guidance_real)
	$(GUIDANCE_TEST_$(GUIDANCE_IMAGES)) -o $(@D)/test.npy
	$(GUIDANCE_TEST_LABELS_$(GUIDANCE_IMAGES)) -o $(@D)/test-labels.npy
	$(call guidance_told,$(@D)/test.npy,$(@D)/test-labels.npy,real,)
$(DRAWN)/guidance-images.csv: $(CELLS)/guidance/images/real.csv $(patsubst %,$(CELLS)/guidance/images/weight%.csv,1 2 4)
	$(joined)

$(DRAWN)/guidance.svg:
	fig line $< --panel measure --panel-columns 2 --free --x gamma --y value --by model,part,interval --x-label γ --y-label '' -o $@
MORE_guidance := guidance-apart
$(DRAWN)/guidance-apart.svg: $(DRAWN)/guidance-apart.csv
	fig line $< --x sigma --y value --by model --log-x --log-y --x-label σ --y-label 'apart from linear guidance' -o $@

.PRECIOUS: $(CELLS)/guidance/images/drawn-weight%.npy $(CELLS)/guidance/plane%.st $(CELLS)/guidance/drawn/%.npy
