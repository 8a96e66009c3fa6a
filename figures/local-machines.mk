# What local machines predict of networks of convolutions without norms, image by image, and the patches that agree
# best with them (arXiv 2412.20292).

LOCAL_DATA := $(call small,digits,fashion)
LOCAL_ROWS := $(call small,150,1500)
LOCAL_NETWORK := --kind resnet $(call small,--width 16 --depth 4 --steps 1200,--width 32 --depth 6 --steps 4000)
# Zeros at the border tell a network where it is; on a torus all places are alike.
LOCAL_zero := ideal local bordered
LOCAL_circular := ideal local shifted
LOCAL_IMAGES := $(call small,60,100)
LOCAL_GRID := --solver euler --steps 20

LOCAL_FIT_ideal := --machine ideal
LOCAL_FIT_local := --machine local
LOCAL_FIT_bordered := --machine bordered
LOCAL_FIT_shifted := --machine equivariant-local
local_calibrate = $(if $(filter ideal,$1),,--calibrate $< --levels edm:20 --seed 7 --report $@.sizes.csv)

LOCAL_RUNS := $(foreach padding,zero circular,$(LOCAL_$(padding):%=$(LOCAL_DATA)-padding$(padding)-machine%))
LOCAL_SIZES := $(filter-out %-machineideal,$(LOCAL_RUNS))
CELLS_local-machines := $(foreach measure,agreement shuffled,$(LOCAL_RUNS:%=$(CELLS)/local-machines/$(measure)/%.csv)) \
    $(LOCAL_SIZES:%=$(CELLS)/local-machines/above/%.csv)

local_set := $(CELLS)/set/$(LOCAL_DATA)-rows$(LOCAL_ROWS)-setA.npy
local_here = $(data)-padding$(call field,padding)
$(CELLS)/local-machines/network/%.st: $(local_set)
	@mkdir -p $(@D)
	dae-fit $< $(LOCAL_NETWORK) --padding $(call field,padding) --batch 64 --seed 1 --quiet -o $@
$(CELLS)/local-machines/drawn/%.npy: $(CELLS)/local-machines/network/%.st
	@mkdir -p $(@D)
	pf-sample $< -n $(LOCAL_IMAGES) --seed 100 $(LOCAL_GRID) --quiet -o $@

$(CELLS)/local-machines/machine/%.st: $(CELLS)/local-machines/network/$$(local_here).st $(local_set)
	@mkdir -p $(@D)
	dae-fit $(word 2,$^) --kind local $(LOCAL_FIT_$(call field,machine)) $(call local_calibrate,$(call field,machine)) --quiet -o $@
$(CELLS)/local-machines/predicted/%.npy: $(CELLS)/local-machines/machine/%.st
	@mkdir -p $(@D)
	pf-sample $< -n $(LOCAL_IMAGES) --seed 100 $(LOCAL_GRID) --quiet -o $@

# Cosines about the mean image, image by image; and those of images that do not belong together.
local_compared = rp-score $(word 2,$^) $1 --descriptor center --fit $(local_set) --quiet --per-sample $@.rows.csv > /dev/null
local_columns = table cat --with padding=$(call field,padding) --with machine=$(call field,machine) --with measure=$1 \
    --columns value,std_error -o $@
$(CELLS)/local-machines/agreement/%.csv: $(CELLS)/local-machines/predicted/%.npy $(CELLS)/local-machines/drawn/$$(local_here).npy
	@mkdir -p $(@D)
	$(call local_compared,$<)
	table mean $@.rows.csv --value similarity | table let value=similarity std_error=similarity_std_error | $(call local_columns,agreement)
$(CELLS)/local-machines/shuffled/%.csv: $(CELLS)/local-machines/predicted/%.npy $(CELLS)/local-machines/drawn/$$(local_here).npy
	@mkdir -p $(@D)
	cat <(npy cat $< --rows 1..) <(npy cat $< --rows ..1) | $(call local_compared,-)
	table mean $@.rows.csv --value similarity | table let value=similarity std_error=similarity_std_error | $(call local_columns,shuffled)

# The share of images nearer to the network's than that of the finite set's optimal denoiser.
local_ideal = $(CELLS)/local-machines/agreement/$(local_here)-machineideal.csv
$(CELLS)/local-machines/above/%.csv: $(CELLS)/local-machines/agreement/%.csv $$(local_ideal)
	@mkdir -p $(@D)
	table cat --with of=machine $<.rows.csv > $@.both.csv
	table cat --with of=ideal $(word 2,$^).rows.csv | tail -n +2 >> $@.both.csv
	table pivot $@.both.csv --key of --value similarity --by row | table let 'above=(1+tanh(1e9*(machine-ideal)))/2' \
	    | table mean --value above | table let value=above std_error=above_std_error | $(call local_columns,above)

.PRECIOUS: $(CELLS)/local-machines/network/%.st $(CELLS)/local-machines/drawn/%.npy $(CELLS)/local-machines/machine/%.st \
    $(CELLS)/local-machines/predicted/%.npy $(CELLS)/local-machines/agreement/%.csv

$(DRAWN)/local-machines.csv: $(CELLS_local-machines)
	$(joined)

MORE_local-machines := local-machines-patches
$(CELLS)/local-machines/patches/%.csv: $(CELLS)/local-machines/machine/%.st
	@mkdir -p $(@D)
	table cat $<.sizes.csv --filter chosen=true --with padding=$(call field,padding) --with machine=$(call field,machine) \
	    --columns sigma,patch,cosine -o $@
$(DRAWN)/local-machines-patches.csv: $(LOCAL_SIZES:%=$(CELLS)/local-machines/patches/%.csv)
	$(joined)

$(DRAWN)/local-machines.svg:
	fig violin $< --panel measure --x machine --y value --by padding --y-label '' -o $@
$(DRAWN)/local-machines-patches.svg: $(DRAWN)/local-machines-patches.csv
	fig line $< --x sigma --y patch --by machine --panel padding --log-x --x-label σ --y-label 'pixels of a patch' -o $@
