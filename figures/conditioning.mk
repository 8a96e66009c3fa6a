# Conditioning without gradients: bridges by Malliavin scores against exact controls (arXiv 2504.03461); and a network without
# classes steered to one by noise alignment and by a direction of its layer (2602.11395), against gradients of a classifier.

# From start to target in time 1, by steps of 1/K. Polynomials have the degree of the control of ou, or three: of five, a path in thousands runs away.
BRIDGE_ou := --system ou:1.5
BRIDGE_well := --system double-well:1
BRIDGE_ou5 := --system ou:1.5
BRIDGE_START_ou := 0.7
BRIDGE_START_well := 1
BRIDGE_START_ou5 := 0.7,0.7,0.7,0.7,0.7
BRIDGE_TARGET_ou := -0.6
BRIDGE_TARGET_well := -1
BRIDGE_TARGET_ou5 := -0.6,-0.6,-0.6,-0.6,-0.6
BRIDGE_DEGREE_ou := 1
BRIDGE_DEGREE_well := 3
BRIDGE_STEPS := $(call small,16 64,16 32 64)
BRIDGE_RUNS := $(foreach steps,$(BRIDGE_STEPS),$(foreach how,exact polynomial mlp,ou-how$(how)-steps$(steps) \
    well-how$(how)-steps$(steps)) ou5-howmlp-steps$(steps))
CELLS_conditioning := $(BRIDGE_RUNS:%=$(CELLS)/conditioning/distance/%.csv) \
    $(patsubst %,$(CELLS)/conditioning/off/%.csv,$(filter-out ou5% %exact-steps16 %exact-steps32 %exact-steps64,$(BRIDGE_RUNS)))

bridge_system = $(BRIDGE_$(data)) --steps $(call field,steps)
bridge_free = $(bridge_system) --start=$(BRIDGE_START_$(data)) --seed 1
bridge_exact = bridge exact $(bridge_system) --target=$(BRIDGE_TARGET_$(data)) --places 241
bridge_polynomial = bridge fit $(bridge_free) -n $(call small,5000,50000) --degree $(BRIDGE_DEGREE_$(data))
bridge_mlp = bridge fit $(bridge_free) -n $(call small,6400,64000) --kind mlp --width $(call small,24,64)
$(CELLS)/conditioning/control/%.csv:
	@mkdir -p $(@D)
	$(bridge_$(call field,how)) --quiet -o $@

# The same noise for all controls of a system and K.
bridge_target = $(if $(filter exact,$(call field,how)),,--target=$(BRIDGE_TARGET_$(data)))
$(CELLS)/conditioning/paths/%.npy $(CELLS)/conditioning/paths/%.csv &: $(CELLS)/conditioning/control/%.csv
	@mkdir -p $(@D)
	bridge sample $< --start=$(BRIDGE_START_$(data)) $(bridge_target) -n $(call small,500,4000) --seed 2 --quiet \
	    --report $(@D)/$*.csv -o $(@D)/$*.npy

# Of one coordinate: how far paths end from the target; and, at all times, from those of the exact control and the same noise.
bridge_columns = table cat - --with system=$(data) $(call with,how steps) --with measure='$1' --columns value -o $@
$(CELLS)/conditioning/distance/%.csv: $(CELLS)/conditioning/paths/%.csv
	@mkdir -p $(@D)
	table let 'value=distance$(if $(filter ou5,$(data)),/5^0.5)' < $< | $(call bridge_columns,distance of ends)
bridge_led = $(CELLS)/conditioning/paths/$(data)-howexact-steps$(call field,steps).npy
$(CELLS)/conditioning/off/%.csv: $(CELLS)/conditioning/paths/%.npy $$(bridge_led)
	@mkdir -p $(@D)
	image-quality $^ --no-ssim --data-range=-3,3 | table let 'value=rmse' | $(call bridge_columns,distance from exact paths)

# Three classes in R^16 and a network that knows none of them; the first is asked for.
STEER := $(CELLS)/conditioning/steer
STEER_edit := 0 1 2 3 5 7
STEER_random := 0 2 5
STEER_align := 0 0.25 0.5 1 2 3
STEER_gradient := 0 0.25 0.5 1 2 3
STEER_both := 1 2 3 5
STEER_RUNS := $(foreach method,edit random align gradient both, \
    $(addprefix $(method)-weight,$(call small,$(firstword $(STEER_$(method))) $(lastword $(STEER_$(method))),$(STEER_$(method)))))
STEER_CELLS := $(STEER_RUNS:%=$(STEER)/scores/%.csv)

$(STEER)/mixture.st $(STEER)/rows.npy $(STEER)/labels.npy &:
	@mkdir -p $(@D)
	molrg-gen -d 16 -r 2 -k 3 --mean-norm 2 --noise-std 0.3 --balanced --seed 1 -n $(call small,2000,6000) \
	    --truth $(@D)/mixture.st --labels $(@D)/labels.npy -o $(@D)/rows.npy
$(STEER)/network.st: $(STEER)/rows.npy
	dae-fit $< --kind mlp --width 96 --steps $(call small,1000,4000) --batch 128 --seed 1 --quiet -o $@
$(STEER)/class.st: $(STEER)/mixture.st
	mixture select $< --components 0 -o $@
$(STEER)/pooled.st: $(STEER)/mixture.st
	mixture pool $< -o $@
# One of the class, and none of it, as told by some noisy rows inside the network.
steer_some = --rows ..$(call small,400,1500)
$(STEER)/edit.npy: $(STEER)/network.st $(STEER)/rows.npy $(STEER)/labels.npy
	npy let 'max(0,1-x)' --in x=$(STEER)/labels.npy $(steer_some) -o $(STEER)/is.npy
	dae-features $(STEER)/network.st $(STEER)/rows.npy --layer blocks.1 --sigma 0.5 --add-noise $(steer_some) \
	    | rfm - $(STEER)/is.npy --quiet -o $@
$(STEER)/random.npy: $(STEER)/edit.npy
	npy noise -n 1 -d 96 --seed 4 | npy let 'x/96^0.5' --in x=- -o $@
$(STEER)/ones.npy:
	@mkdir -p $(@D)
	npy noise -n $(call small,300,2000) -d 1 | npy let 'x*0' --in x=- -o $@

steer_align = --guide $(STEER)/class.st --guide-against $(STEER)/pooled.st --guide-weight $1 --guide-interval 1,80
STEER_BY_edit = --edit blocks.1=$(STEER)/edit.npy:$(call field,weight)
STEER_BY_random = --edit blocks.1=$(STEER)/random.npy:$(call field,weight)
STEER_BY_align = $(call steer_align,$(call field,weight))
STEER_BY_gradient = --guide $(STEER)/class.st --guide-against $(STEER)/mixture.st --guide-weight $(call field,weight)
STEER_BY_both = $(STEER_BY_edit) $(call steer_align,0.5)
$(STEER)/drawn/%.npy $(STEER)/drawn/%.csv &: $(STEER)/network.st $(STEER)/edit.npy $(STEER)/random.npy $(STEER)/class.st $(STEER)/pooled.st
	@mkdir -p $(@D)
	pf-sample $< -n $(call small,300,2000) --seed 3 $(STEER_BY_$(data)) --quiet --report $(@D)/$*.csv -o $(@D)/$*.npy

# The share that a classifier of the data takes for the class; the distance of their Gaussian from the class; evaluations a sample.
$(STEER)/scores/%.csv: $(STEER)/drawn/%.npy $(STEER)/drawn/%.csv $(STEER)/ones.npy
	@mkdir -p $(@D)
	rate=$$(probe linear $(STEER)/rows.npy $(STEER)/labels.npy $< $(STEER)/ones.npy | table let 'value=accuracy' | table cat --columns value | tail -n 1); \
	    cost=$$(table let 'value=evaluations/samples' < $(word 2,$^) | table cat --columns value | tail -n 1); \
	    dae-fit $< --kind gaussian | pfd - $(STEER)/class.st -n $(call small,300,2000) --quiet \
	    | table let "target_rate=$$rate" | table let "evaluations=$$cost" | table let distance=value \
	    | table cat --with method=$(data) $(call with,weight) --columns distance,target_rate,evaluations -o $@

$(DRAWN)/conditioning.csv: $(CELLS_conditioning)
	$(joined)
$(DRAWN)/conditioning-steering.csv: $(STEER_CELLS)
	$(joined)
TABLES_conditioning := conditioning-steering
MORE_conditioning := conditioning-steering

$(DRAWN)/conditioning.svg:
	fig line $< --panel measure --x steps --y value --by system,how --log-x --log-y --x-label K --y-label distance -o $@
$(DRAWN)/conditioning-steering.svg: $(DRAWN)/conditioning-steering.csv
	fig line $< --scatter --x distance --y target_rate --by method --x-label 'distance from the class' --y-label 'target rate' -o $@

.PRECIOUS: $(CELLS)/conditioning/control/%.csv $(CELLS)/conditioning/paths/%.npy $(CELLS)/conditioning/paths/%.csv $(STEER)/drawn/%.npy $(STEER)/drawn/%.csv
