# The rows at which one and the same network turns from copies to new samples, on data of different intrinsic dimension.

# Mixtures of two components of rank 2 to 16 in R^64, images of 8×8, and patches of photographs of 8×8 in red alone. `pool` is
# all that is known of a data set but the rows that GL compares with.
DIMENSION_DATA := $(call small,mixture2 mixture8 digits,mixture2 mixture4 mixture8 mixture16 digits mnist fashion8 patches8)
DIMENSION_ROWS := $(call small,8 32 128,16 32 64 128 256 512)
DIMENSION_ROWS_patches8 := 8 16 32 64 128 200
DIMENSION_SEEDS := $(call small,1,1 2)
DIMENSION_NETWORK := --kind mlp --width 128 --batch 32 $(call small,--steps 1500 --lr 0.01,--steps 8000)
# Another seed is another network on other rows.
DIMENSION_STRIDE_patches8 := 200
DIMENSION_STRIDE := 512

$(CELLS)/images/fashion8.npy:
	@mkdir -p $(@D)
	npy images '$(FASHION)' --pad 2 --pool 4 -o $@
# Patches of a photograph follow each other: every 137th, round and round.
$(CELLS)/images/patches8.npy:
	@mkdir -p $(@D)
	npy images $(PATCHES) --pool 4 | npy transpose --axes 0,3,1,2 | npy cat --cols ..64 | npy take - <(for i in $$(seq 0 499); do echo $$((i * 137 % 500)); done | sed '1i row') -o $@

DIMENSION_POOL_digits := ..1024
DIMENSION_FRESH_digits := 1112..
DIMENSION_POOL_mnist := ..10000
DIMENSION_FRESH_mnist := 30000..31000
DIMENSION_POOL_fashion8 := ..10000
DIMENSION_FRESH_fashion8 := 30000..31000
DIMENSION_POOL_patches8 := ..400
DIMENSION_FRESH_patches8 := 400..
define dimension_images
$(CELLS)/dimension/pool/$1.npy: $(CELLS)/images/$1.npy
	@mkdir -p $$(@D)
	npy cat $$< --rows $(DIMENSION_POOL_$1) -o $$@
$(CELLS)/dimension/fresh/$1.npy: $(CELLS)/images/$1.npy
	@mkdir -p $$(@D)
	npy cat $$< --rows $(DIMENSION_FRESH_$1) -o $$@
endef
$(foreach data,digits mnist fashion8 patches8,$(eval $(call dimension_images,$(data))))
$(CELLS)/dimension/teacher/mixture%.st:
	@mkdir -p $(@D)
	molrg-gen -d 64 -k 2 -r $* -n 1 --seed 0 --truth $@ -o /dev/null
$(CELLS)/dimension/pool/mixture%.npy: $(CELLS)/dimension/teacher/mixture%.st
	@mkdir -p $(@D)
	molrg-gen --from $< --balanced -n $(call small,2000,10000) --seed 1 -o $@
$(CELLS)/dimension/fresh/mixture%.npy: $(CELLS)/dimension/teacher/mixture%.st
	@mkdir -p $(@D)
	molrg-gen --from $< --balanced -n 1000 --seed 1000 -o $@

$(CELLS)/dimension/train/%.npy: $(CELLS)/dimension/pool/$$(data).npy
	@mkdir -p $(@D)
	first=$$((($(call field,seed) - 1) * $(or $(DIMENSION_STRIDE_$(data)),$(DIMENSION_STRIDE)))); \
	    npy cat $< --rows $$first..$$((first + $(call field,rows))) -o $@
$(CELLS)/dimension/fitted/%.st: $(CELLS)/dimension/train/%.npy
	@mkdir -p $(@D)
	dae-fit $< $(DIMENSION_NETWORK) --seed $(call field,seed) --quiet -o $@
$(CELLS)/dimension/gl/%.csv: $(CELLS)/dimension/fitted/%.st $(CELLS)/dimension/train/%.npy $(CELLS)/dimension/fresh/$$(data).npy
	@mkdir -p $(@D)
	pf-sample $< -n $(IMAGES) --seed 100 --quiet | rp-score - --train $(word 2,$^) --reference $(word 3,$^) --gl distance \
	    | table cat --columns value | table let gl=value | table cat --columns gl --with data=$(data) $(call with,rows seed) -o $@

# How many dimensions: of the data, and of what the network makes of all of them (the least rank along the flow).
$(CELLS)/dimension/all/%.st: $(CELLS)/dimension/pool/%.npy
	@mkdir -p $(@D)
	dae-fit $< $(DIMENSION_NETWORK) --seed 1 --quiet -o $@
$(CELLS)/dimension/jacobian/%.csv: $(CELLS)/dimension/all/%.st
	@mkdir -p $(@D)
	jacobian-rank $< --levels edm:18 -n $(call small,8,30) --seed 100 --per-sample --quiet \
	    | table mean --by sigma --value rank | table sort --by rank -o $@
$(CELLS)/dimension/of/%.csv: $(CELLS)/dimension/pool/%.npy $(CELLS)/dimension/jacobian/%.csv
	@mkdir -p $(@D)
	table cat <(npy cat $< --rows ..$(call small,1000,4000) | intrinsic-dimension --quiet | table cat --columns method,dimension,std_error) \
	    <(table let $(word 2,$^) dimension=rank std_error=rank_std_error | table cat --columns dimension,std_error --rows ..1 \
	        | table cat --with method=jacobian --columns dimension,std_error) -o $@

dimension_gl = $(foreach seed,$(DIMENSION_SEEDS),$(foreach rows,$(or $(DIMENSION_ROWS_$1),$(DIMENSION_ROWS)), \
    $(CELLS)/dimension/gl/$1-rows$(rows)-seed$(seed).csv))
CELLS_regimes-dimension := $(foreach data,$(DIMENSION_DATA),$(call dimension_gl,$(data)) $(CELLS)/dimension/of/$(data).csv)

# Where GL is a half, of every seed.
$(CELLS)/dimension/half/%.csv: $$(call dimension_gl,%)
	@mkdir -p $(@D)
	table cat $^ | table crossing --x rows --log-x --y gl --level 0.5 --by data,seed | table mean --by data --value rows -o $@
$(CELLS)/dimension/rows/%.csv: $(CELLS)/dimension/of/%.csv $(CELLS)/dimension/half/%.csv
	@mkdir -p $(@D)
	IFS=, read rows error < <(table cat $(word 2,$^) --columns rows,rows_std_error | tail -n 1); \
	    table cat $< --with data=$* --with rows=$$rows --with rows_std_error=$$error -o $@
$(DRAWN)/regimes-dimension.csv: $(DIMENSION_DATA:%=$(CELLS)/dimension/rows/%.csv)
	$(joined)

TABLES_regimes-dimension := regimes-dimension-gl regimes-dimension-slope
$(DRAWN)/regimes-dimension-gl.csv: $(foreach data,$(DIMENSION_DATA),$(call dimension_gl,$(data)))
	@mkdir -p $(@D)
	table cat $^ | table mean --by data,rows --value gl -o $@
# Rows ~ dimension^slope.
$(DRAWN)/regimes-dimension-slope.csv: $(DRAWN)/regimes-dimension.csv
	@mkdir -p $(@D)
	table let $< 'log_dimension=log2(dimension)' 'log_rows=log2(rows)' | table slope --x log_dimension --y log_rows --by method -o $@

$(DRAWN)/regimes-dimension.svg:
	fig line $< --panel method --free --x dimension --y rows --by data --error rows_std_error --log2-x --log2-y --guide '1:N ~ dimension' \
	    --x-label 'intrinsic dimension' --y-label 'rows N at GL = ½' -o $@
MORE_regimes-dimension := regimes-dimension-gl
$(DRAWN)/regimes-dimension-gl.svg: $(DRAWN)/regimes-dimension-gl.csv
	fig line $< --x rows --y gl --by data --error gl_std_error --log2-x --hline 0.5 --hline 1 --x-label 'rows N' --y-label GL -o $@

.PRECIOUS: $(CELLS)/dimension/pool/mixture%.npy $(CELLS)/dimension/fresh/mixture%.npy $(CELLS)/dimension/teacher/mixture%.st $(CELLS)/dimension/train/%.npy \
    $(CELLS)/dimension/fitted/%.st $(CELLS)/dimension/gl/%.csv $(CELLS)/dimension/all/%.st $(CELLS)/dimension/jacobian/%.csv $(CELLS)/dimension/of/%.csv \
    $(CELLS)/dimension/half/%.csv $(CELLS)/dimension/rows/%.csv
