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

CELLS_linear-lens := $(CELLS_lens_left) $(CELLS_lens_sampled) $(CELLS_lens_emergence) $(CELLS_lens_apart)
$(DRAWN)/linear-lens.csv: $(CELLS_linear-lens)
	$(joined)
$(DRAWN)/linear-lens.svg:
	fig line $< --panel panel --panel-columns 2 --free --x x --y value --by model --log-x --log-y --x-label '' --y-label '' -o $@
