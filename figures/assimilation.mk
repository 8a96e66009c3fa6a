# States of stochastic systems from noisy observations, and without any: FlowDAS (arXiv 2501.16642), whose transitions are learned
# by a stochastic interpolant, and by the mean of the next state alone, beside filters that know the system.

ASSIMILATION_SYSTEMS := lorenz well
ASSIMILATION_OF_lorenz := --system lorenz63
# Pairs of states are wanted in both wells and about them.
ASSIMILATION_OF_well := --system double-well
ASSIMILATION_PAIRS_lorenz :=
ASSIMILATION_PAIRS_well := --start-std 1 --burn-in 3
ASSIMILATION_WIDTH_lorenz := 3
ASSIMILATION_WIDTH_well := 1
ASSIMILATION_SEEN_lorenz := --through atan --noise-std 0.25
ASSIMILATION_SEEN_well := --through cube --noise-std 0.2
ASSIMILATION_TIMES := $(call small,30,40)
ASSIMILATION_NETWORK := --kind mlp $(call small,--width 32 --depth 2 --steps 1000,--width 48 --depth 2 --steps 8000 --batch 256)

# First states are known, as published. Members of flowdas, and J; ζ and all else of published as its code has it, but for the double
# well, where the published ζ = 1 throws states out.
ASSIMILATION_MEMBERS := $(call small,32,64)
ASSIMILATION_FLOW := --method flowdas --particles $(ASSIMILATION_MEMBERS) --steps $(call small,40,100) --estimates $(call small,11,21)
ASSIMILATION_BY_flowdas := $(ASSIMILATION_FLOW)
ASSIMILATION_BY_first := $(ASSIMILATION_FLOW) --endpoint first
ASSIMILATION_ZETA_lorenz := 2e-4
ASSIMILATION_ZETA_well := 0.01
ASSIMILATION_BY_published = $(ASSIMILATION_FLOW) --quirk norm,origin,noise,drift --step-size $(ASSIMILATION_ZETA_$(data))
ASSIMILATION_BY_regression := --method regression --particles $(ASSIMILATION_MEMBERS)
ASSIMILATION_BY_particle := --method particle --particles $(call small,1000,4096)
ASSIMILATION_BY_ensemble := --method ensemble-kalman --particles $(ASSIMILATION_MEMBERS)
ASSIMILATION_follow := flowdas first published regression particle ensemble
ASSIMILATION_forecast := flowdas regression particle
ASSIMILATION_forecast_FLAGS := --until 0

assimilation_cells = $(foreach task,follow forecast,$(foreach method,$(ASSIMILATION_$(task)),$1-task$(task)-method$(method)))
CELLS_assimilation := $(foreach run,$(foreach system,$(ASSIMILATION_SYSTEMS),$(call assimilation_cells,$(system))),$(CELLS)/assimilation/scores/$(run).csv)

$(CELLS)/assimilation/pairs/%.npy:
	@mkdir -p $(@D)
	sde $(ASSIMILATION_OF_$*) $(ASSIMILATION_PAIRS_$*) -n $(call small,10000,100000) --steps 1 --seed 1 -o $@
$(CELLS)/assimilation/before/%.npy: $(CELLS)/assimilation/pairs/%.npy
	@mkdir -p $(@D)
	npy cat $< --cols ..$(ASSIMILATION_WIDTH_$*) -o $@
$(CELLS)/assimilation/after/%.npy: $(CELLS)/assimilation/pairs/%.npy
	@mkdir -p $(@D)
	npy cat $< --cols $(ASSIMILATION_WIDTH_$*).. -o $@
$(CELLS)/assimilation/model/%.st: $(CELLS)/assimilation/after/$$(data).npy $(CELLS)/assimilation/before/$$(data).npy
	@mkdir -p $(@D)
	dae-fit $< --condition $(word 2,$^) $(ASSIMILATION_NETWORK) --loss $(call field,loss) --quiet -o $@

$(CELLS)/assimilation/paths/%.npy $(CELLS)/assimilation/seen/%.npy &:
	@mkdir -p $(CELLS)/assimilation/paths $(CELLS)/assimilation/seen
	sde $(ASSIMILATION_OF_$*) -n $(call small,8,32) --steps $(ASSIMILATION_TIMES) --seed 2 $(ASSIMILATION_SEEN_$*) \
	    --observations $(CELLS)/assimilation/seen/$*.npy -o $(CELLS)/assimilation/paths/$*.npy

assimilation_loss = $(if $(filter regression,$(call field,method)),regression,interpolant)
assimilation_model = $(if $(filter particle ensemble,$(call field,method)),,$(CELLS)/assimilation/model/$(data)-loss$(assimilation_loss).st)
$(CELLS)/assimilation/scores/%.csv: $(CELLS)/assimilation/seen/$$(data).npy $(CELLS)/assimilation/paths/$$(data).npy $$(assimilation_model)
	@mkdir -p $(@D)
	assimilate $< $(ASSIMILATION_OF_$(data)) $(ASSIMILATION_SEEN_$(data)) $(ASSIMILATION_BY_$(call field,method)) \
	    $(ASSIMILATION_$(call field,task)_FLAGS) $(patsubst %,--model %,$(word 3,$^)) --known-first --truth $(word 2,$^) \
	    --report $@.scores --quiet > $@.states
	table cat $@.scores --with system=$(data) $(call with,task method) --columns step,score,value,std_error,n -o $@
	rm $@.scores $@.states

$(DRAWN)/assimilation.csv: $(CELLS_assimilation)
	$(joined)
MORE_assimilation := assimilation-forecast
$(DRAWN)/assimilation.svg:
	fig line $< --filter task=follow --filter score=rmse --panel system --x step --y value --by method --y-label 'error of means' -o $@
$(DRAWN)/assimilation-forecast.svg: $(DRAWN)/assimilation.csv
	fig line $< --filter task=forecast --filter score=spread --panel system --x step --y value --by method \
	    --y-label 'deviation of what is believed' -o $@

.PRECIOUS: $(CELLS)/assimilation/pairs/%.npy $(CELLS)/assimilation/before/%.npy $(CELLS)/assimilation/after/%.npy \
    $(CELLS)/assimilation/model/%.st $(CELLS)/assimilation/paths/%.npy $(CELLS)/assimilation/seen/%.npy
