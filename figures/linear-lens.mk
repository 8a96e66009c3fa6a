# The linear lens: what the Gaussian with the data's moments says of networks on the digits. How much of the denoiser it is
# (arXiv 2412.09726), what sampling it saves, when a linear denoiser in training learns each mode (2503.03206), and how far
# apart two training sets' models are (2602.02908).

LENS_N := $(call small,600,1200)
LENS_STEPS := $(call small,1500,3000)
LENS_LATENTS := $(call small,300,1000)
LENS_ROWS := $(call small,32 512,32 64 128 256 512)
# Levels of the grid of eighteen, by how many come before them.
LENS_LEVEL_2 := 40.7855737380
LENS_LEVEL_4 := 19.3524529803
LENS_LEVEL_6 := 8.4009353091
LENS_LEVEL_8 := 3.2568215198
LENS_LEVEL_10 := 1.0878943301
LENS_SKIPS := 2 4 6 8 10

lens_network = dae-fit $1 --kind mlp --width 128 --depth 3 --steps $2 --batch 64 --quiet
lens_columns = table cat --with panel='$1' --with model='$2' --columns x=$3,value=$4 -o $@
LENS := $(CELLS)/linear-lens

# In random order: as they come, digits are of one writer after another, and no two parts have one law.
$(LENS)/shuffled.npy: $(CELLS)/images/digits.npy
	@mkdir -p $(@D)
	subset $< -n 1797 --method random --seed 1 --quiet -o $@
$(LENS)/rows.npy: $(LENS)/shuffled.npy
	npy cat $< --rows ..$(LENS_N) -o $@
$(LENS)/held-out.npy: $(LENS)/shuffled.npy
	npy cat $< --rows 1200.. -o $@
$(LENS)/gaussian.st: $(LENS)/rows.npy
	dae-fit $< --kind gaussian -o $@
$(LENS)/memory.st: $(LENS)/rows.npy
	dae-fit $< --kind empirical -o $@
$(LENS)/network.st: $(LENS)/rows.npy
	$(call lens_network,$<,$(LENS_STEPS)) -o $@

# How far the Gaussian's score, and the finite set's, is from the network's at images held out, with noise: squared, of that
# of the noise. (Of D itself it would be relative to the mean image, at noise where networks are hardly trained.)
CELLS_lens_left := $(foreach model,gaussian memory,$(LENS)/left/model$(model).csv)
$(LENS)/left/model%.csv: $(LENS)/network.st $(LENS)/%.st $(LENS)/held-out.npy
	@mkdir -p $(@D)
	dae-compare $^ --sigma 0.05,0.1,0.2,0.5,1,2,5,10,20,40,80 | table let 'left=(rmse/sigma)^2' \
	    | $(call lens_columns,left unexplained,$*,sigma,left)

# The network's own flow in many steps; with as many levels as are left below a level, from there or from the start.
$(LENS)/exact.npy: $(LENS)/network.st
	pf-sample $< -n $(LENS_LATENTS) --seed 3 --solver rk4 --steps 60 --quiet -o $@
lens_evaluations = table let "evaluations=2*(18-$(call field,skip))-1"
CELLS_lens_sampled := $(foreach way,teleported heun,$(foreach skip,$(LENS_SKIPS),$(LENS)/sampled/$(way)-skip$(skip).csv))
$(LENS)/sampled/teleported-%.csv: $(LENS)/gaussian.st $(LENS)/network.st $(LENS)/exact.npy
	@mkdir -p $(@D)
	level=$(LENS_LEVEL_$(call field,skip)); \
	    pf-sample $< -n $(LENS_LATENTS) --seed 3 --solver exact --until $$level \
	    | pf-sample $(word 2,$^) --from $$level --noise - --quiet | pfd - $(word 3,$^) \
	    | $(lens_evaluations) | $(call lens_columns,distance of samples,teleported,evaluations,value)
$(LENS)/sampled/heun-%.csv: $(LENS)/network.st $(LENS)/exact.npy
	@mkdir -p $(@D)
	pf-sample $< -n $(LENS_LATENTS) --seed 3 --steps $$((18 - $(call field,skip))) --quiet | pfd - $(word 2,$^) \
	    | $(lens_evaluations) | $(call lens_columns,distance of samples,heun,evaluations,value)

# The forty largest eigenvalues: below are pixels that are nearly always 0.
$(LENS)/leading.st: $(LENS)/rows.npy
	dae-fit $< --kind gaussian -r 40 -o $@
CELLS_lens_emergence := $(foreach layers,one two,$(LENS)/emergence/$(layers)-layer.csv)
$(LENS)/emergence/%.csv: $(LENS)/leading.st
	@mkdir -p $(@D)
	linear-theory emergence --spectrum $<:variances --arch $* | $(call lens_columns,time of emergence,$*,eigenvalue,time)

# The same of networks in training, at one noise level: their gain along the data's axis u of variance λ is uᵀW u of the affine map
# W x + b nearest to them, which ends at λ/(λ+σ²); a mode is learned when it has half of it (modes that had as much by chance
# before do not count). A linear network by gradient descent of rate η, its loss a mean over d = 64 numbers, needs
# 64 ln 2/(2η(λ+σ²)) steps; an mlp and a U-Net are trained as networks are.
LENS_SIGMA := 0.2
LENS_LEARNERS := linear mlp unet
LENS_LEARNER_linear := --kind linear --depth 1 --optimizer sgd --momentum 0 --lr 0.3
LENS_LEARNER_mlp := --kind mlp --width 128 --depth 3 --lr 0.0001
LENS_LEARNER_unet := --kind unet --width 8 --lr 0.0003
LENS_SEEDS := $(call small,1,1 2 3 4)
LENS_LOOKS_unet := 10 20 30 40 50 60 70 80 100 120 150 200 300
LENS_LOOKS_mlp := 10 20 30 50 70 100 150 200 300 500 700 1000 1500 2000 3000
LENS_LOOKS_linear := $(LENS_LOOKS_mlp)
LENS_PIXELS := $(addprefix x,$(shell seq 64))
lens_listed = $(subst $() ,$2,$(strip $1))
# Without the mean, which a linear network does not know.
$(LENS)/centred.npy: $(LENS)/rows.npy $(LENS)/leading.st
	npy let --in x=$< --in mean=<(npy cat $(word 2,$^):means -f csv | npy cat --shape 8,8,1) 'x-mean' --dtype f32 -o $@
$(LENS)/axes.npy: $(LENS)/leading.st
	npy transpose $<:bases --axes 2,0,1 -o $@
$(LENS)/variances.csv: $(LENS)/leading.st
	npy transpose $<:variances --axes 1,0 -o $@
LENS_LEARNED := $(foreach model,$(LENS_LEARNERS),$(LENS_SEEDS:%=$(LENS)/learned/model$(model)-seed%.csv))
$(LENS)/learned/model%.csv: $(LENS)/centred.npy $(LENS)/axes.npy $(LENS)/variances.csv
	@mkdir -p $(@D)
	way=$(@:.csv=.way); \
	dae-fit $< $(LENS_LEARNER_$(call field,model)) --loss fixed --sigma $(LENS_SIGMA) --batch 64 --lr-floor 1 --warmup 0 --ema none \
	    --steps $(lastword $(LENS_LOOKS_$(call field,model))) --checkpoint $$way --every 10 --seed $(call field,seed) --quiet -o $@.st; \
	for step in $(LENS_LOOKS_$(call field,model)); do \
	    { echo 'eigenvalue,$(call lens_listed,$(LENS_PIXELS),$(comma))'; \
	        dae-distill $$way/step-$$(printf %08d $$step).safetensors $< --sigma $(LENS_SIGMA) --draws 4 --seed 3 --quiet -o $$way/affine.st; \
	        npy let --in u=$(word 2,$^) --in plus=<(dae-apply $$way/affine.st $(word 2,$^) --sigma $(LENS_SIGMA) --quiet) \
	            --in minus=<(npy let --in u=$(word 2,$^) '(-u)' | dae-apply $$way/affine.st --sigma $(LENS_SIGMA) --quiet) \
	            'u*(plus-minus)/2' -f csv | paste -d, $(word 3,$^) -; } \
	    | table let 'total=eigenvalue+$(LENS_SIGMA)^2' \
	        'share=($(call lens_listed,$(LENS_PIXELS),+))*total/eigenvalue' \
	    | table cat --columns total,share --with step=$$step $(call with,model) -o $$way/$$step.csv; \
	done; \
	table cat $(foreach step,$(LENS_LOOKS_$(call field,model)),$$way/$(step).csv) -o $@; \
	rm -r $$way $@.st
.PRECIOUS: $(LENS)/learned/model%.csv
CELLS_lens_learned := $(foreach model,theory $(LENS_LEARNERS),$(LENS)/learned/times-model$(model).csv)
$(LENS)/learned/times-modeltheory.csv: $(LENS)/variances.csv
	@mkdir -p $(@D)
	{ echo eigenvalue; cat $<; } | table let 'total=eigenvalue+$(LENS_SIGMA)^2' 'step=64*ln(2)/(2*0.3*total)' \
	    | $(call lens_columns,steps until learned,theory,total,step)
$(LENS)/learned/times-model%.csv: $$(foreach seed,$(LENS_SEEDS),$(LENS)/learned/model%-seed$$(seed).csv)
	table cat $^ | table mean --by total,step --value share | table crossing --x step --y share --level 0.5 --log-x --by total \
	    | table cat --filter direction=up | $(call lens_columns,steps until learned,$*,total,step)

# Models of two sets that share no image, from the same latents; and what random matrices predict of Gaussians' (maps and
# means vary).
$(LENS)/all.st: $(LENS)/shuffled.npy
	dae-fit $< --kind gaussian -o $@
LENS_FIRST_A := 0
LENS_FIRST_B := 600
lens_set = npy cat $< --rows $(LENS_FIRST_$1)..$$(($(LENS_FIRST_$1) + $(call field,rows)))
CELLS_lens_apart := $(foreach model,theory gaussian mlp,$(LENS_ROWS:%=$(LENS)/apart/$(model)-rows%.csv))
lens_apart = $(call lens_columns,distance of disjoint sets,$(data),rows,value)
$(LENS)/apart/theory-%.csv: $(LENS)/all.st
	@mkdir -p $(@D)
	linear-theory map --spectrum $<:variances -n $(call field,rows) | table mean --by samples --value variance,eigenvalue \
	    | table let "value=(2*64*(variance+eigenvalue/samples))^0.5" rows=samples | $(lens_apart)
$(LENS)/apart/gaussian-%.csv: $(LENS)/shuffled.npy
	@mkdir -p $(@D)
	pfd <($(call lens_set,A) | dae-fit --kind gaussian) <($(call lens_set,B) | dae-fit --kind gaussian) --solver exact \
	    -n $(LENS_LATENTS) --seed 3 | table let rows=$(call field,rows) | $(lens_apart)
$(LENS)/apart/mlp-%.csv: $(LENS)/shuffled.npy
	@mkdir -p $(@D)
	pfd <($(call lens_set,A) | $(call lens_network,,$(LENS_STEPS)) --seed 1) \
	    <($(call lens_set,B) | $(call lens_network,,$(LENS_STEPS)) --seed 2) -n $(LENS_LATENTS) --seed 3 --quiet \
	    | table let rows=$(call field,rows) | $(lens_apart)

CELLS_linear-lens := $(CELLS_lens_left) $(CELLS_lens_sampled) $(CELLS_lens_emergence) $(CELLS_lens_learned) $(CELLS_lens_apart)
$(DRAWN)/linear-lens.csv: $(CELLS_linear-lens)
	$(joined)
$(DRAWN)/linear-lens.svg:
	fig line $< --panel panel --panel-columns 2 --free --x x --y value --by model --log-x --log-y --x-label '' --y-label '' -o $@

# The exponents: steps go as (λ+σ²)^slope.
TABLES_linear-lens := linear-lens-exponents
$(DRAWN)/linear-lens-exponents.csv: $(CELLS_lens_learned)
	@mkdir -p $(@D)
	table cat $^ | table slope --x x --y value --by model --log-x --log-y -o $@
