# Generalization and memorization errors against rows over the square root of parameters.

# Teachers: the mixture of rank 6 (its students are those of gl-molrg), and a U-Net trained on images.
SCALING_RATIOS := $(call small,2 5 15 50,2 5 10 15 30 50 100 200)
SCALING_SEEDS := $(call small,1,1 2 3)
SCALING_WIDTHS := $(call small,64 128 192,64 128 256 512)
SCALING_MIXTURE := $(foreach seed,$(SCALING_SEEDS),$(foreach width,$(SCALING_WIDTHS), \
    $(SCALING_RATIOS:%=rank6-width$(width)-ratio%-seed$(seed))))

SCALING_IMAGE_ROWS := $(call small,,16 64 256 1024 4096 16384)
# One seed has all rows; two more the rows around the crossing.
SCALING_IMAGE_AROUND_8 := 16 64 256
SCALING_IMAGE_AROUND_12 := 64 256
SCALING_IMAGE_AROUND_16 := 64 256
SCALING_IMAGE_AROUND_24 := 64 256
SCALING_IMAGES := $(foreach width,8 12 16 24,$(SCALING_IMAGE_ROWS:%=width$(width)-rows%-seed1) \
    $(foreach seed,$(call small,,2 3),$(SCALING_IMAGE_AROUND_$(width):%=width$(width)-rows%-seed$(seed))))

# Where E_gen falls below E_mem, for each of the columns that follow.
SCALING_CROSSING := table let excess=gen-mem log2_rows='log2(rows)' | table crossing --x log2_rows --y excess --level 0 --by

SCALING_STUDENTS := $(SCALING_MIXTURE:%=$(CELLS)/pfd-scaling/mixture/%.csv) \
    $(SCALING_IMAGES:%=$(CELLS)/pfd-scaling/images/%.csv)
CELLS_pfd-scaling := $(SCALING_STUDENTS)

# Parameters do not depend on the data: those of a network trained for one step.
$(CELLS)/parameters/mlp%.csv: $(CELLS)/train/rank6-ratio2-seed1.npy
	@mkdir -p $(@D)
	dae-fit $< --kind mlp --width $* --steps 1 --quiet --report $@ -o /dev/null
$(CELLS)/parameters/unet%.csv: $(CELLS)/set/$(firstword $(REGIMES_DATA))-rows16-setA.npy
	@mkdir -p $(@D)
	dae-fit $< --kind unet --width $* --steps 1 --quiet --report $@ -o /dev/null

# One row a student: E_gen, E_mem, and the distance from its optimal memorizer to the teacher, which falls with N.
# $1 latents, $2 the columns that name the student. Prerequisites: student, teacher, empirical, parameters.
scaling_row = parameters=$$(table cat $(word 4,$^) --columns parameters | tail -n 1); \
	table cat <(pfd $< $(word 2,$^) -n $1 --seed 100 --quiet | table cat --with key=gen) \
	    <(pfd $< $(word 3,$^) -n $1 --seed 100 --quiet | table cat --with key=mem) \
	    <(pfd $(word 3,$^) $(word 2,$^) -n $1 --seed 100 --quiet | table cat --with key=memorizer) \
	    --columns key,value $2 --with parameters=$$parameters | table pivot --key key --value value -o $@

$(CELLS)/pfd-scaling/mixture/%.csv: $(CELLS)/student/%.st $(CELLS)/teacher/rank6.st $(CELLS)/empirical/$$(student_of).st \
    $(CELLS)/parameters/mlp$$(call field,width).csv
	@mkdir -p $(@D)
	$(call scaling_row,1000,$(call with,width seed) --with teacher=mixture \
	    --with rows=$$((12 * $(call field,ratio))))

# The teacher sees all images; its students see what it draws.
$(CELLS)/teacher/unet.st: $(CELLS)/images/mnist.npy
	@mkdir -p $(@D)
	dae-fit $< --kind unet --width 24 --steps 6000 --batch 64 --lr 0.003 --seed 9 --quiet -o $@
$(CELLS)/teacher/unet.npy: $(CELLS)/teacher/unet.st
	pf-sample $< -n 16384 --seed 1 --quiet -o $@
$(CELLS)/teacher/unet-rows%.npy: $(CELLS)/teacher/unet.npy
	npy cat $< --rows ..$* -o $@
$(CELLS)/teacher/unet-empirical-rows%.st: $(CELLS)/teacher/unet-rows%.npy
	dae-fit $< --kind empirical -o $@
$(CELLS)/pfd-scaling/images/%.st: $(CELLS)/teacher/unet-rows$$(call field,rows).npy
	@mkdir -p $(@D)
	dae-fit $< --kind unet --width $(call field,width) --steps 3000 --batch 64 --lr 0.003 --seed $(call field,seed) \
	    --quiet -o $@
$(CELLS)/pfd-scaling/images/%.csv: $(CELLS)/pfd-scaling/images/%.st $(CELLS)/teacher/unet.st \
    $(CELLS)/teacher/unet-empirical-rows$$(call field,rows).st $(CELLS)/parameters/unet$$(call field,width).csv
	$(call scaling_row,500,$(call with,width rows seed) --with teacher=U-Net)

# Does the law need networks that are trained to the end? Students of three lengths of training: the same for all, as long as
# they are wide, and four times that; rows around the crossing; and how far memorization is, of 24 rows.
SCALING_LAWS := $(call small,,constant width longer)
SCALING_LAW_constant := 64:8000 96:8000 128:8000 256:8000
SCALING_LAW_width := 64:8000 96:12000 128:16000 256:32000
SCALING_LAW_longer := 64:32000 96:48000 128:64000
SCALING_LABEL_constant := 8000 steps
SCALING_LABEL_width := 125 steps a unit
SCALING_LABEL_longer := 500 steps a unit
SCALING_AROUND_64 := 4 8 16
SCALING_AROUND_96 := 4 8 16
SCALING_AROUND_128 := 8 16 32
SCALING_AROUND_256 := 8 16 32
# $1 a width and its steps, as 64:8000; $2 ratios; $3 seeds.
scaling_lengths = $(foreach seed,$3,$(foreach ratio,$2, \
    $(CELLS)/pfd-scaling/lengths/rank6-width$(subst :,-ratio$(ratio)-steps,$1)-seed$(seed).csv))
scaling_law = $(foreach run,$(SCALING_LAW_$1),$(call scaling_lengths,$(run),$(SCALING_AROUND_$(firstword $(subst :, ,$(run)))),1 2))
SCALING_MEMORY := $(foreach width,64 128,$(foreach steps,4000 16000 64000,$(call scaling_lengths,$(width):$(steps),2,1)))
CELLS_pfd-scaling += $(if $(SCALING_LAWS),$(sort $(foreach law,$(SCALING_LAWS),$(call scaling_law,$(law))) $(SCALING_MEMORY)))

$(CELLS)/pfd-scaling/lengths/%.st: $(CELLS)/train/$$(student_of).npy
	@mkdir -p $(@D)
	dae-fit $< --kind mlp --width $(call field,width) --steps $(call field,steps) --batch 32 --lr 0.003 \
	    --seed $(call field,seed) --quiet -o $@
$(CELLS)/pfd-scaling/lengths/%.csv: $(CELLS)/pfd-scaling/lengths/%.st $(CELLS)/teacher/rank6.st $(CELLS)/empirical/$$(student_of).st \
    $(CELLS)/parameters/mlp$$(call field,width).csv
	$(call scaling_row,1000,$(call with,width steps seed) --with rows=$$((12 * $(call field,ratio))))

$(CELLS)/pfd-scaling/law-%.csv: $$(call scaling_law,%)
	table cat $^ | $(SCALING_CROSSING) parameters,width,seed | table cat --filter direction=down --with law='$(SCALING_LABEL_$*)' -o $@
$(DRAWN)/pfd-scaling-steps.csv: $(SCALING_LAWS:%=$(CELLS)/pfd-scaling/law-%.csv)
	@mkdir -p $(@D)
	table cat $^ | table let 'log2_rows_over_sqrt_parameters=log2_rows - log2(sqrt(parameters))' 'rows=2^log2_rows' \
	    'sqrt_parameters=sqrt(parameters)' \
	    | table mean --by law,width,parameters,sqrt_parameters --value rows,log2_rows,log2_rows_over_sqrt_parameters -o $@
$(DRAWN)/pfd-scaling-steps-slope.csv: $(SCALING_LAWS:%=$(CELLS)/pfd-scaling/law-%.csv)
	@mkdir -p $(@D)
	table cat $^ | table let 'log2_sqrt_parameters=log2(sqrt(parameters))' \
	    | table slope --x log2_sqrt_parameters --y log2_rows --by law -o $@
$(DRAWN)/pfd-scaling-memory.csv: $(SCALING_MEMORY)
	@mkdir -p $(@D)
	table cat $^ | table let mem_relative=mem/memorizer | table cat --columns width,steps,gen,mem,memorizer,mem_relative -o $@
$(DRAWN)/pfd-scaling-steps.svg: $(DRAWN)/pfd-scaling-steps.csv
	fig line $< --x sqrt_parameters --y rows --by law --error rows_std_error --log2-x --log2-y --guide '1:N ~ √|θ|' --x-label '√|θ|' \
	    --y-label 'rows N at E_gen = E_mem' -o $@

SCALING_AXES := log2_rows='log2(rows)' log2_rows_over_sqrt_parameters='log2(rows / sqrt(parameters))'

# Means over seeds; mem_relative is E_mem over the memorizer's own distance from the teacher.
$(DRAWN)/pfd-scaling.csv: $(SCALING_STUDENTS)
	@mkdir -p $(@D)
	table cat $^ | table let $(SCALING_AXES) mem_relative=mem/memorizer excess=gen-mem \
	    | table mean --by teacher,width,parameters,rows,log2_rows,log2_rows_over_sqrt_parameters \
	        --value gen,mem,memorizer,mem_relative,excess -o $@

$(CELLS)/pfd-scaling/crossings.csv: $(SCALING_STUDENTS)
	table cat $^ | $(SCALING_CROSSING) teacher,width,parameters,seed \
	    | table cat --filter direction=down \
	    | table let 'log2_rows_over_sqrt_parameters=log2_rows - log2(sqrt(parameters))' -o $@
TABLES_pfd-scaling := pfd-scaling-crossing pfd-scaling-slope pfd-scaling-spread \
    $(if $(SCALING_LAWS),pfd-scaling-steps-slope pfd-scaling-memory)
$(DRAWN)/pfd-scaling-crossing.csv: $(CELLS)/pfd-scaling/crossings.csv
	@mkdir -p $(@D)
	table mean $< --by teacher,width,parameters --value log2_rows,log2_rows_over_sqrt_parameters -o $@

# The law: crossings at rows ~ |θ|^(slope/2), 1 where N/√|θ| decides; their deviation on both axes, over networks.
$(DRAWN)/pfd-scaling-slope.csv: $(CELLS)/pfd-scaling/crossings.csv
	@mkdir -p $(@D)
	table let $< 'log2_sqrt_parameters=log2(sqrt(parameters))' \
	    | table slope --x log2_sqrt_parameters --y log2_rows --by teacher -o $@
$(DRAWN)/pfd-scaling-spread.csv: $(CELLS)/pfd-scaling/crossings.csv
	@mkdir -p $(@D)
	table mean $< --by teacher --value log2_rows,log2_rows_over_sqrt_parameters -o $@

# On the published networks, GL is a half instead: the rows at which images turn new.
$(CELLS)/pfd-scaling/law.csv: $(DRAWN)/pfd-scaling-crossing.csv figures/published/pfd-scaling.csv
	@mkdir -p $(@D)
	table cat --fill $^ --columns teacher,parameters,log2_rows | table let 'sqrt_parameters=sqrt(parameters)' 'rows=2^log2_rows' -o $@
$(DRAWN)/pfd-scaling-law.svg: $(CELLS)/pfd-scaling/law.csv
	fig line $< --x sqrt_parameters --y rows --by teacher --log2-x --log2-y --dashed 'published: GL = ½, CIFAR-10' \
	    --guide '1:N ~ √|θ|' --x-label '√|θ|' --y-label 'rows N at the transition' -o $@

# A panel for each error and axis.
scaling_panel = table cat $< --columns teacher,parameters,x=$1,value=$2,std_error=$2_std_error --with panel='$3'
$(CELLS)/pfd-scaling/panels.csv: $(DRAWN)/pfd-scaling.csv
	@mkdir -p $(@D)
	table cat <($(call scaling_panel,log2_rows,gen,E_gen against log2 N)) \
	    <($(call scaling_panel,log2_rows_over_sqrt_parameters,gen,E_gen against log2 N/√|θ|)) \
	    <($(call scaling_panel,log2_rows,mem_relative,E_mem (relative) against log2 N)) \
	    <($(call scaling_panel,log2_rows_over_sqrt_parameters,mem_relative,E_mem (relative) against log2 N/√|θ|)) -o $@

scaling_lines = fig line $< --filter teacher=$1 --panel panel --panel-columns 2 --free --x x --y value --by parameters \
    --error std_error --x-label '' --y-label '' -o $@
$(DRAWN)/pfd-scaling.svg: $(CELLS)/pfd-scaling/panels.csv
	$(call scaling_lines,mixture)
MORE_pfd-scaling := pfd-scaling-law $(call small,,pfd-scaling-images pfd-scaling-steps)
$(DRAWN)/pfd-scaling-images.svg: $(CELLS)/pfd-scaling/panels.csv
	$(call scaling_lines,U-Net)

.PRECIOUS: $(CELLS)/pfd-scaling/lengths/%.st $(CELLS)/pfd-scaling/lengths/%.csv $(CELLS)/parameters/mlp%.csv $(CELLS)/parameters/unet%.csv $(CELLS)/teacher/unet-rows%.npy \
    $(CELLS)/teacher/unet-empirical-rows%.st $(CELLS)/pfd-scaling/images/%.st
