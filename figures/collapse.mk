# Models trained on their own samples, again and again: entropy, variance and what is new, by generation
# (arXiv 2509.16499).

# Generation 0 is drawn from a law. Of every generation a model draws twice as many rows; N of these (replace), or of
# those of all generations and the first (accumulate), are the next: at random, or by their distances.
COLLAPSE_gaussian := $(call small,replace-random replace-threshold,replace-random replace-threshold replace-farthest accumulate-random)
COLLAPSE_mixture := $(call small,,replace-random replace-threshold accumulate-random)
COLLAPSE_network := $(call small,replace-random,replace-random replace-threshold accumulate-random)
COLLAPSE_LAWS := $(call small,gaussian network,gaussian mixture network)
COLLAPSE_CHAINS_gaussian := $(call small,1 2,1 2 3 4 5 6 7 8 9 10)
COLLAPSE_CHAINS_mixture := 1 2 3 4 5
COLLAPSE_CHAINS_network := $(call small,1,1 2 3)
# Generations that are measured.
COLLAPSE_SHOWN_gaussian := $(call small,0 5 10 20,0 1 2 3 5 7 10 15 20)
COLLAPSE_SHOWN_mixture := 0 1 2 3 5 7 10 15 20
COLLAPSE_SHOWN_network := $(call small,0 1 2 3 4 5,0 1 2 3 4 5 6 7 8 9 10)
COLLAPSE_MEASURES := entropy trace gl

COLLAPSE_N_gaussian := 200
COLLAPSE_N_mixture := 200
COLLAPSE_N_network := 60
# Of sets of that size, some .6 of the distance to the nearest other row: with more, selection itself spreads rows.
COLLAPSE_DISTANCE_gaussian := 1
COLLAPSE_DISTANCE_mixture := 0.5
COLLAPSE_DISTANCE_network := 0.35
# Where entropy is measured: networks' data span so many dimensions, besides which there is little but errors.
COLLAPSE_SPACE_network = --descriptor pca:6 --fit $(call collapse_file,draws,0)

COLLAPSE_LAW_gaussian := npy noise -d 8
COLLAPSE_LAW_mixture := molrg-gen -d 8 -r 3 -k 2 --noise-std 0.3
COLLAPSE_LAW_network := molrg-gen -d 24 -r 3 -k 2 --balanced

COLLAPSE_FIT_gaussian := --kind gaussian
COLLAPSE_FIT_mixture = --kind molrg -r 3 -k 2 --solver em --fit means,variances,weights,noise --restarts 3 $(collapse_seed)
COLLAPSE_FIT_network = --kind mlp --width 128 --batch 64 --steps 1500 $(collapse_seed)

COLLAPSE_DRAW_gaussian := molrg-gen --from -
COLLAPSE_DRAW_mixture := molrg-gen --from -
COLLAPSE_DRAW_network := pf-sample -

# Every cell is one measure of one generation, as in entropy/network-chain1-loopreplace-byrandom-generation3.csv; $1 is
# what law, $2 which generations.
collapse_runs = $(foreach way,$(COLLAPSE_$1),$(foreach chain,$(COLLAPSE_CHAINS_$1),$(foreach generation,$2, \
    $1-chain$(chain)-loop$(subst -,-by,$(way))-generation$(generation))))
COLLAPSE_RUNS := $(foreach law,$(COLLAPSE_LAWS),$(call collapse_runs,$(law),$(COLLAPSE_SHOWN_$(law))))
CELLS_collapse := $(foreach measure,$(COLLAPSE_MEASURES),$(COLLAPSE_RUNS:%=$(CELLS)/collapse/$(measure)/%.csv))

# Of the chain of the target: all numbers of generations there are, the one before and the one after, and a file of one.
COLLAPSE_NUMBERS := 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21
collapse_before = $(words $(wordlist 2,$(call field,generation),$(COLLAPSE_NUMBERS)))
collapse_after = $(words x $(wordlist 1,$(call field,generation),$(COLLAPSE_NUMBERS)))
collapse_file = $(CELLS)/collapse/$1/$(firstword $(subst -generation, ,$(notdir $@)))-generation$2.npy
COLLAPSE_ALL := $(foreach law,$(COLLAPSE_LAWS),$(call collapse_runs,$(law), \
    $(wordlist 1,$(words x x $(wordlist 1,$(lastword $(COLLAPSE_SHOWN_$(law))),$(COLLAPSE_NUMBERS))),$(COLLAPSE_NUMBERS))))
collapse_seed = --seed $(call field,chain)$(call field,generation)

# What the model of the generation before draws. (Rules of a chain name their targets: make applies no other rule twice.)
$(COLLAPSE_ALL:%=$(CELLS)/collapse/draws/%.npy): $(CELLS)/collapse/draws/%.npy: $$(if $$(filter-out 0,$$(call field,generation)),$$(call collapse_file,set,$$(collapse_before)))
	@mkdir -p $(@D)
	$(if $<,dae-fit $< $(COLLAPSE_FIT_$(data)) --quiet | $(COLLAPSE_DRAW_$(data)),$(COLLAPSE_LAW_$(data))) \
	    -n $$((2 * $(COLLAPSE_N_$(data)))) $(collapse_seed) --quiet -o $@

# Rows that the next model is trained on.
collapse_pool = $(if $(filter accumulate,$(call field,loop)),0 $(wordlist 2,$(collapse_after),$(COLLAPSE_NUMBERS)),$(call field,generation))
$(COLLAPSE_ALL:%=$(CELLS)/collapse/set/%.npy): $(CELLS)/collapse/set/%.npy: $$(foreach generation,$$(collapse_pool),$$(call collapse_file,draws,$$(generation)))
	@mkdir -p $(@D)
	npy cat $^ | subset -n $(COLLAPSE_N_$(data)) $(collapse_seed) -o $@ $(if $(filter 0,$(call field,generation)),--method random, \
	    --method $(call field,by) $(if $(filter threshold,$(call field,by)),--threshold $(COLLAPSE_DISTANCE_$(data))))

collapse_columns = table let value=$1 \
    | table cat --with law=$(data) $(call with,loop by generation chain) --with measure=$1 --columns value -o $@

$(CELLS)/collapse/entropy/%.csv: $(CELLS)/collapse/set/%.npy
	@mkdir -p $(@D)
	entropy $< $(COLLAPSE_SPACE_$(data)) --quiet | $(call collapse_columns,entropy)

$(CELLS)/collapse/trace/%.csv: $(CELLS)/collapse/set/%.npy
	@mkdir -p $(@D)
	dae-fit $< --kind gaussian | mixture info | $(call collapse_columns,trace)

# The mean distance of what the model draws from the nearest row that it was trained on.
$(CELLS)/collapse/gl/%.csv: $(CELLS)/collapse/set/%.npy $$(call collapse_file,draws,$$(collapse_after))
	@mkdir -p $(@D)
	rp-score $(word 2,$^) --train $< --similarity l2 --threshold 1 --per-sample $@.rows.csv --quiet > /dev/null
	table mean $@.rows.csv --value similarity | table let gl=similarity | $(call collapse_columns,gl)

# All of a measure and a law: of all cells at once names are too many for one command.
COLLAPSE_JOINED := $(foreach measure,$(COLLAPSE_MEASURES),$(COLLAPSE_LAWS:%=$(CELLS)/collapse/$(measure)-%.csv))
collapse_joined = $(foreach run,$(filter $1-%,$(COLLAPSE_RUNS)),$(CELLS)/collapse/$2/$(run).csv)
$(COLLAPSE_JOINED): $(CELLS)/collapse/%.csv: $$(call collapse_joined,$$(lastword $$(subst -, ,$$*)),$$(data))
	$(joined)

# Means over chains.
$(DRAWN)/collapse.csv: $(COLLAPSE_JOINED)
	@mkdir -p $(@D)
	table cat $^ | table mean --by law,loop,by,measure,generation --value value -o $@

# How entropy goes with ln GL, over all generations and chains.
TABLES_collapse := collapse-correlation
$(DRAWN)/collapse-correlation.csv: $(COLLAPSE_JOINED)
	@mkdir -p $(@D)
	table cat $^ | table pivot --key measure --value value | table slope --x entropy --y gl --log-y --by law,loop,by \
	    | table let 'correlation=slope/abs(slope)*sqrt(r_squared)' -o $@

# The farthest rows are in the table alone: their entropy would be all that is seen.
collapse_lines = fig line $(DRAWN)/collapse.csv --filter law=$1 --filter by=random --filter by=threshold --panel measure --free \
    --x generation --y value --by loop,by --error value_std_error --y-label '' -o $@
$(DRAWN)/collapse.svg:
	$(call collapse_lines,gaussian)
MORE_collapse := $(call small,,collapse-mixture) collapse-network
$(DRAWN)/collapse-%.svg: $(DRAWN)/collapse.csv
	$(call collapse_lines,$*)
