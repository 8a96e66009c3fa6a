# E_gen and E_mem along training, with a constant learning rate: does E_gen rise again?

# Every point is a training of its own length: of the same seed, so the beginning of all longer ones.
DYNAMICS_RATIOS := $(call small,2,2 10 50 200)
DYNAMICS_STEPS := $(call small,50 200 800 3200,50 100 200 400 800 1600 3200 6400 12800 25600)
DYNAMICS_SEEDS := $(call small,1,1 2 3)
# The longest once only.
DYNAMICS_LONG := 12800 25600
DYNAMICS_RUNS := $(foreach ratio,$(DYNAMICS_RATIOS),$(foreach steps,$(DYNAMICS_STEPS), \
    $(foreach seed,$(if $(filter $(steps),$(DYNAMICS_LONG)),1,$(DYNAMICS_SEEDS)), \
        rank4-width256-ratio$(ratio)-steps$(steps)-seed$(seed))))
CELLS_dynamics := $(DYNAMICS_RUNS:%=$(CELLS)/dynamics/%.csv)

$(CELLS)/dynamics/%.st: $(CELLS)/train/$$(student_of).npy
	@mkdir -p $(@D)
	dae-fit $< --kind mlp --width $(call field,width) --steps $(call field,steps) --batch 128 --lr 0.001 --lr-floor 1 \
	    --warmup 0 --seed $(call field,seed) --quiet -o $@

$(CELLS)/dynamics/%.csv: $(CELLS)/dynamics/%.st $(CELLS)/teacher/rank4.st $(CELLS)/empirical/$$(student_of).st
	table cat <(pfd $< $(word 2,$^) -n 1000 --seed 100 --quiet | table cat --with error=E_gen) \
	    <(pfd $< $(word 3,$^) -n 1000 --seed 100 --quiet | table cat --with error=E_mem) \
	    $(call with,ratio steps seed) --columns error,value -o $@

$(DRAWN)/dynamics.csv: $(CELLS_dynamics)
	@mkdir -p $(@D)
	table cat $^ | table mean --by ratio,steps,error --value value -o $@

# One training to its end beside the means.
TABLES_dynamics := dynamics-seed1
$(DRAWN)/dynamics-seed1.csv: $(CELLS_dynamics)
	@mkdir -p $(@D)
	table cat $^ --filter seed=1 --columns ratio,steps,error,value -o $@

$(DRAWN)/dynamics.svg:
	fig line $< --panel error --x steps --y value --by ratio --error value_std_error --log-x \
	    --x-label 'steps of training' --y-label PFD -o $@

.PRECIOUS: $(CELLS)/dynamics/%.st
