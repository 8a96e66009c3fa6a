# A flow reaches the ridge of the density, is as far from it as its score errs across, and spreads along it as it errs along
# (arXiv 2602.06021): maps of random features trained for longer and longer, and networks, of eight points on a circle; and
# of five on a line, which maps that are fitted to them do not leave, so that all their error is along it.

# Of radius 2, so that neighbours are 1.53 apart. At σ = 0.42 they still make one ridge.
RIDGE_SIGMA := 0.42
RIDGE_GRID := 20,12,7,4,2.5,1.6,1,0.65,$(RIDGE_SIGMA),0.28,0.18,0.12,0.08,0.05
RIDGE_FLOW := 1 0.65 0.42 0
RIDGE_LATENTS := $(call small,300,1000)

RIDGE_TIMES := $(call small,3 30 100000,1 3 10 30 100 1000 100000)
RIDGE_WIDTHS := $(call small,40 300,40 100 300)
RIDGE_STEPS := $(call small,300,300 1000 3000)
# `exact` is the finite set's own denoiser.
RIDGE_RUNS := exact-of0 $(RIDGE_TIMES:%=line-of%) $(foreach width,$(RIDGE_WIDTHS),$(RIDGE_TIMES:%=features$(width)-of%)) $(RIDGE_STEPS:%=mlp-of%)
RIDGE_SHOWN := exact-of0 features300-of3 features300-of100000 mlp-of$(lastword $(RIDGE_STEPS))

RIDGE := $(CELLS)/ridge
CELLS_ridge := $(foreach measure,distance spread,$(RIDGE_RUNS:%=$(RIDGE)/$(measure)/%.csv))
CELLS_ridge_flow := $(foreach run,$(RIDGE_SHOWN),$(RIDGE_FLOW:%=$(RIDGE)/flow/$(run)-sigma%.csv))

$(RIDGE)/circle.csv:
	@mkdir -p $(@D)
	awk 'BEGIN { for (i = 0; i < 8; i++) printf "%.9f,%.9f\n", 2 * cos(i * atan2(1, 1)), 2 * sin(i * atan2(1, 1)) }' > $@
$(RIDGE)/line.csv:
	@mkdir -p $(@D)
	awk 'BEGIN { for (i = -2; i <= 2; i++) printf "%.9f,%.9f\n", 0.3 + 0.918 * i, 1.224 * i - 0.2 }' > $@
# Each of them 64 times: rows to add noise to.
ridge_repeated = npy cat $(foreach time,1 2 3 4 5 6 7 8,$(foreach again,1 2 3 4 5 6 7 8,$<)) -o $@
$(RIDGE)/rows.npy: $(RIDGE)/circle.csv
	$(ridge_repeated)
$(RIDGE)/line-rows.npy: $(RIDGE)/line.csv
	$(ridge_repeated)
$(RIDGE)/model/exact-of0.st: $(RIDGE)/circle.csv
	@mkdir -p $(@D)
	dae-fit $< --kind empirical -o $@
$(RIDGE)/model/line-of0.st: $(RIDGE)/line.csv
	@mkdir -p $(@D)
	dae-fit $< --kind empirical -o $@
ridge_features = dae-fit $< --kind random-features --features $1 --levels $(RIDGE_GRID) --time $(call field,of) --seed 1 --quiet -o $@
$(RIDGE)/model/features%.st: $(RIDGE)/circle.csv
	@mkdir -p $(@D)
	$(call ridge_features,$(call field,features))
$(RIDGE)/model/line-of%.st: $(RIDGE)/line.csv
	@mkdir -p $(@D)
	$(call ridge_features,300)
$(RIDGE)/model/mlp-of%.st: $(RIDGE)/rows.npy
	@mkdir -p $(@D)
	dae-fit $< --kind mlp --width 64 --depth 2 --steps $* --batch 64 --seed 1 --quiet -o $@

ridge_run = $(data)-of$(call field,of)
ridge_exact = $(RIDGE)/model/$(if $(filter line,$(data)),line,exact)-of0.st
ridge_rows = $(RIDGE)/$(if $(filter line,$(data)),line-)rows.npy
ridge_of = --model $(ridge_exact) --sigma $1
ridge_drawn = pf-sample $1 -n $(RIDGE_LATENTS) --seed 3 --sigmas $(RIDGE_GRID),0 --quiet
$(RIDGE)/drawn/%.npy: $(RIDGE)/model/%.st
	@mkdir -p $(@D)
	$(call ridge_drawn,$<) -o $@

# The error of the score across the ridge and along it, at rows with noise.
$(RIDGE)/error/%.csv: $(RIDGE)/model/%.st $$(ridge_exact) $$(ridge_rows)
	@mkdir -p $(@D)
	ridge decompose $< $(ridge_exact) $(ridge_rows) --sigma $(RIDGE_SIGMA) --dim 1 --add-noise --seed 4 \
	    --quiet | table mean --value normal,tangential -o $@
ridge_columns = table cat --with panel='$1' --with model=$(data) --with of=$(call field,of) --columns x,value -o $@
ridge_error = $$(table cat $(word 2,$^) --columns $1 | tail -n 1)

# How far samples are from the ridge; and how far what is on the ridge is from its modes, where all of the finite set's are.
$(RIDGE)/distance/%.csv: $(RIDGE)/drawn/%.npy $(RIDGE)/error/%.csv $$(ridge_exact)
	@mkdir -p $(@D)
	ridge distance $< $(call ridge_of,$(RIDGE_SIGMA)) --dim 1 --quiet | table mean --value normal \
	    | table let value=normal x=$(call ridge_error,normal) | $(call ridge_columns,distance over normal error)
$(RIDGE)/spread/%.csv: $(RIDGE)/drawn/%.npy $(RIDGE)/error/%.csv $$(ridge_exact)
	@mkdir -p $(@D)
	ridge project $< $(call ridge_of,$(RIDGE_SIGMA)) --dim 1 --quiet | ridge distance $(call ridge_of,$(RIDGE_SIGMA)) --dim 0 --quiet \
	    | table mean --value distance | table let value=distance x=$(call ridge_error,tangential) \
	    | $(call ridge_columns,spread over tangential error)
# On the way, from the ridge of that level; at the end, 0, from the one of the last.
ridge_level = $(if $(filter 0,$(call field,sigma)),$(RIDGE_SIGMA),$(call field,sigma))
$(RIDGE)/flow/%.csv: $(RIDGE)/model/$$(ridge_run).st $(RIDGE)/model/exact-of0.st
	@mkdir -p $(@D)
	$(call ridge_drawn,$<) $(if $(filter 0,$(call field,sigma)),,--until $(call field,sigma)) \
	    | ridge distance $(call ridge_of,$(ridge_level)) --dim 1 --quiet | table mean --value normal \
	    | table let value=normal x=$(call field,sigma) | $(call ridge_columns,distance along the flow)

$(DRAWN)/ridge.csv: $(CELLS_ridge)
	$(joined)
$(DRAWN)/ridge-flow.csv: $(CELLS_ridge_flow)
	$(joined)
TABLES_ridge := ridge-flow
$(DRAWN)/ridge.svg:
	fig line $< --panel panel --free --x x --y value --by model --x-label 'error of the score' --y-label '' -o $@
MORE_ridge := ridge-flow
$(DRAWN)/ridge-flow.svg: $(DRAWN)/ridge-flow.csv
	fig line $< --x x --y value --by model,of --x-label σ --y-label 'distance from the ridge' -o $@

# Of images: samples of networks that memorize their training set and of those that do not, and its own ridge.
RIDGE_DATA := digits
RIDGE_ROWS := $(call small,16 512,16 64 512)
RIDGE_NETWORKS := $(call small,12 16,12)
RIDGE_POINTS := $(call small,60,200)
RIDGE_AT := --sigma 0.5 --dim 5 --quiet
ridge_images = $(foreach rows,$(RIDGE_ROWS),$(RIDGE_DATA)-$1rows$(rows)-setA)
RIDGE_IMAGES := $(foreach width,$(RIDGE_NETWORKS),$(call ridge_images,width$(width)-))
CELLS_ridge_images := $(foreach measure,across along apart,$(RIDGE_IMAGES:%=$(RIDGE)/images/$(measure)/%.csv)) \
    $(foreach of,held-out optimal,$(patsubst %,$(RIDGE)/images/$(of)/%.csv,$(call ridge_images)))

$(RIDGE)/images/set/%.st: $(CELLS)/set/%.npy
	@mkdir -p $(@D)
	dae-fit $< --kind empirical --quiet -o $@
ridge_set = $(RIDGE)/images/set/$(set_of).st
$(RIDGE)/images/error/%.csv: $(CELLS)/unet/%.st $$(ridge_set) $(CELLS)/set/$$(set_of).npy
	@mkdir -p $(@D)
	npy cat $(word 3,$^) --rows ..$(RIDGE_POINTS) | ridge decompose $< $(word 2,$^) $(RIDGE_AT) --add-noise --seed 4 \
	    | table mean --value normal,tangential -o $@
ridge_points = npy cat $< --rows ..$(RIDGE_POINTS)
ridge_off = ridge distance --model $(ridge_set) $(RIDGE_AT) | table mean --value normal | table let value=normal x=$1 \
    | table cat --with panel='$2' --with model='$3' --with rows=$(call field,rows) --columns x,value -o $@
ridge_width = network of width $(call field,width)
$(RIDGE)/images/across/%.csv: $(CELLS)/drawn/%.npy $(RIDGE)/images/error/%.csv $$(ridge_set)
	@mkdir -p $(@D)
	$(ridge_points) | $(call ridge_off,$(call ridge_error,normal),distance over normal error,$(ridge_width))
$(RIDGE)/images/along/%.csv: $(CELLS)/drawn/%.npy $(RIDGE)/images/error/%.csv $$(ridge_set)
	@mkdir -p $(@D)
	$(ridge_points) | ridge project --model $(ridge_set) $(RIDGE_AT) | ridge distance --model $(ridge_set) --sigma 0.5 --dim 0 --quiet \
	    | table mean --value distance | table let value=distance x=$(call ridge_error,tangential) \
	    | table cat --with panel='spread over tangential error' --with model='$(ridge_width)' --with rows=$(call field,rows) \
	        --columns x,value -o $@
$(RIDGE)/images/apart/%.csv: $(CELLS)/drawn/%.npy $$(ridge_set)
	@mkdir -p $(@D)
	$(ridge_points) | $(call ridge_off,$(call field,rows),distance over rows,$(ridge_width))
$(RIDGE)/images/optimal/%.csv: $(CELLS)/optimal/%.npy $$(ridge_set)
	@mkdir -p $(@D)
	$(ridge_points) | $(call ridge_off,$(call field,rows),distance over rows,the set itself)
$(RIDGE)/images/held-out/%.csv: $(CELLS)/held-out/$$(data).npy $$(ridge_set)
	@mkdir -p $(@D)
	$(ridge_points) | $(call ridge_off,$(call field,rows),distance over rows,held-out images)

TABLES_ridge += ridge-images
$(DRAWN)/ridge-images.csv: $(CELLS_ridge_images)
	$(joined)
MORE_ridge += ridge-images
$(DRAWN)/ridge-images.svg: $(DRAWN)/ridge-images.csv
	fig line $< --panel panel --free --x x --y value --by model --x-label '' --y-label '' -o $@

.PRECIOUS: $(RIDGE)/model/%.st $(RIDGE)/model/line-of%.st $(RIDGE)/model/features%.st $(RIDGE)/model/mlp-of%.st $(RIDGE)/drawn/%.npy $(RIDGE)/error/%.csv $(RIDGE)/images/set/%.st $(RIDGE)/images/error/%.csv
