# E_gen and E_mem along training, with a constant learning rate: does E_gen rise again?

# Every point is a training of its own length: of the same seed, so the beginning of all longer ones.
DYNAMICS_RATIOS := $(call small,2,2 10 50 200)
DYNAMICS_STEPS := $(call small,50 200 800 3200,50 100 200 400 800 1600 3200 6400 12800 25600)
DYNAMICS_SEEDS := $(call small,1,1 2 3)
# The longest once only.
DYNAMICS_LONG := 12800 25600
DYNAMICS_RUNS := $(foreach ratio,$(DYNAMICS_RATIOS),$(foreach steps,$(DYNAMICS_STEPS), \
    $(foreach seed,$(if $(filter $(steps),$(DYNAMICS_LONG)),1,$(DYNAMICS_SEEDS)), \
        rank4-width$(call small,192,256)-ratio$(ratio)-steps$(steps)-seed$(seed))))
CELLS_dynamics := $(DYNAMICS_RUNS:%=$(CELLS)/dynamics/%.csv)

$(CELLS)/dynamics/%.st: $(CELLS)/train/$$(student_of).npy
	@mkdir -p $(@D)
	dae-fit $< --kind mlp --width $(call field,width) --steps $(call field,steps) --batch $(call small,64,128) --lr 0.001 --lr-floor 1 \
	    --warmup 0 --seed $(call field,seed) --quiet -o $@

$(CELLS)/dynamics/%.csv: $(CELLS)/dynamics/%.st $(CELLS)/teacher/rank4.st $(CELLS)/empirical/$$(student_of).st
	table cat <(pfd $< $(word 2,$^) -n 1000 --seed 100 --quiet | table cat --with error=E_gen) \
	    <(pfd $< $(word 3,$^) -n 1000 --seed 100 --quiet | table cat --with error=E_mem) \
	    $(call with,ratio steps seed) --columns error,value -o $@

$(DRAWN)/dynamics.csv: $(DYNAMICS_RUNS:%=$(CELLS)/dynamics/%.csv)
	@mkdir -p $(@D)
	table cat $^ | table mean --by ratio,steps,error --value value -o $@

# One training to its end beside the means.
TABLES_dynamics := dynamics-seed1
$(DRAWN)/dynamics-seed1.csv: $(DYNAMICS_RUNS:%=$(CELLS)/dynamics/%.csv)
	@mkdir -p $(@D)
	table cat $^ --filter seed=1 --columns ratio,steps,error,value -o $@

$(DRAWN)/dynamics.svg:
	fig line $< --panel error --x steps --y value --by ratio --error value_std_error --log-x \
	    --x-label 'steps of training' --y-label PFD -o $@

.PRECIOUS: $(CELLS)/dynamics/%.st

# The same on images: is there a setting in which E_gen falls a second time? The teacher is the U-Net of `similarity`; a
# student's one training is looked at on its way, at its checkpoints. Errors of the denoiser by level are those on images of the
# teacher's that no student has seen.
DYNAMICS_SETTINGS := $(call small,,$(foreach rows,128 64 256 32 512 1024,kindunet-rows$(rows)-width8-lr0.001-decay0-average50-lossedm) \
    kindunet-rows128-width12-lr0.001-decay0-average50-lossedm kindunet-rows128-width4-lr0.001-decay0-average50-lossedm \
    kindunet-rows128-width8-lr0.003-decay0-average50-lossedm kindunet-rows128-width8-lr0.0003-decay0-average50-lossedm \
    kindunet-rows128-width8-lr0.001-decay0.1-average50-lossedm kindunet-rows128-width8-lr0.001-decay0-averagenone-lossedm \
    kindunet-rows128-width8-lr0.001-decay0-average50-losslow kindunet-rows128-width8-lr0.001-decay0-average50-lossall \
    kindmlp-rows128-width128-lr0.001-decay0-average50-lossedm kindmlp-rows512-width128-lr0.001-decay0-average50-lossedm)
DYNAMICS_LOSS_edm := --loss edm
DYNAMICS_LOSS_low := --loss uniform --sigma-range 0.02,2
DYNAMICS_LOSS_all := --loss uniform --sigma-range 0.002,80
DYNAMICS_EVERY_unet := 100
DYNAMICS_EVERY_mlp := 400
DYNAMICS_AT_unet := 100 200 400 800 1600 3000 4500 6000
DYNAMICS_AT_mlp := 400 800 1600 3200 6400 12800 20000
CELLS_dynamics += $(DYNAMICS_SETTINGS:%=$(CELLS)/dynamics/images/%.csv)

DYNAMICS_TEACHER := $(CELLS)/similarity/fitted/unet12-steps6000-seed1.st
$(CELLS)/dynamics/images/teacher.npy: $(DYNAMICS_TEACHER)
	@mkdir -p $(@D)
	pf-sample $< -n 1024 --seed 1 --quiet -o $@
$(CELLS)/dynamics/images/unseen.npy: $(DYNAMICS_TEACHER)
	@mkdir -p $(@D)
	pf-sample $< -n 200 --seed 2 --quiet -o $@
$(CELLS)/dynamics/images/latents.npy: $(DYNAMICS_TEACHER)
	@mkdir -p $(@D)
	pf-sample $< -n 300 --seed 100 --quiet -o $@

$(CELLS)/dynamics/images/kind%.csv: $(DYNAMICS_TEACHER) $(CELLS)/dynamics/images/teacher.npy $(CELLS)/dynamics/images/unseen.npy \
    $(CELLS)/dynamics/images/latents.npy
	rows=$(@:.csv=.rows.npy); way=$(@:.csv=.way); memory=$(@:.csv=.memory.npy); drawn=$(@:.csv=.drawn.npy); \
	npy cat $(word 2,$^) --rows ..$(call field,rows) -o $$rows; \
	dae-fit $$rows --kind empirical | pf-sample -n 300 --seed 100 --quiet -o $$memory; \
	dae-fit $$rows --kind $(call field,kind) --width $(call field,width) --batch 32 --lr $(call field,lr) --lr-floor 1 --warmup 0 \
	    --optimizer adamw --weight-decay $(call field,decay) $(DYNAMICS_LOSS_$(call field,loss)) \
	    --ema $(if $(filter none,$(call field,average)),none,half-life:$(call field,average)) \
	    --steps $(lastword $(DYNAMICS_AT_$(call field,kind))) --checkpoint $$way --every $(DYNAMICS_EVERY_$(call field,kind)) --seed 1 --quiet -o $@.st; \
	for steps in $(DYNAMICS_AT_$(call field,kind)); do \
	    model=$$way/step-$$(printf %08d $$steps).safetensors; pf-sample $$model -n 300 --seed 100 --quiet -o $$drawn; \
	    table cat --fill <(pfd $$drawn $(word 4,$^) --quiet | table cat --columns value,std_error --with error=E_gen) \
	        <(pfd $$drawn $$memory --quiet | table cat --columns value,std_error --with error=E_mem) \
	        <(dae-compare $(word 1,$^) $$model $(word 3,$^) --sigma 0.1,0.3,1,3,10 --seed 3 --quiet | table let value=rmse \
	            | table cat --columns sigma,value,std_error --with error=level) \
	        --columns error,sigma,value,std_error --with steps=$$steps $(call with,kind rows width lr decay average loss) -o $$way/$$steps.csv; \
	done; \
	table cat $(foreach steps,$(DYNAMICS_AT_$(call field,kind)),$$way/$(steps).csv) -o $@; \
	rm -r $$way $$rows $$memory $$drawn $@.st

$(DRAWN)/dynamics-images.csv: $(DYNAMICS_SETTINGS:%=$(CELLS)/dynamics/images/%.csv)
	$(joined)
# Over rows, of one network and one way to train it; and the levels of noise of one of these.
DYNAMICS_SHOWN := --filter kind=unet --filter width=8 --filter lr=0.001 --filter decay=0 --filter average=50 --filter loss=edm
MORE_dynamics := $(call small,,dynamics-images dynamics-levels)
$(DRAWN)/dynamics-images.svg: $(DRAWN)/dynamics-images.csv
	fig line $< $(DYNAMICS_SHOWN) --filter error=E_gen --filter error=E_mem --panel error --free --x steps --y value --by rows \
	    --error std_error --log-x --log-y --x-label 'steps of training' --y-label PFD -o $@
$(DRAWN)/dynamics-levels.svg: $(DRAWN)/dynamics-images.csv
	fig line $< $(DYNAMICS_SHOWN) --filter error=level --filter rows=64 --filter rows=128 --filter rows=512 --panel rows --x steps --y value \
	    --by sigma --error std_error --log-x --log-y --x-label 'steps of training' --y-label 'error of D' -o $@
