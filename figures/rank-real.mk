# Rank of the Jacobian of networks trained on images: a valley in the middle of the noise levels.

RANK_REAL_DATA := $(call small,digits,fashion patches)
RANK_REAL_LATENTS := $(call small,4,8)
CELLS_rank-real := $(RANK_REAL_DATA:%=$(CELLS)/rank-real/%.csv)

PATCHES := testdata/natural_patches_500.npz:x
$(CELLS)/images/patches.npy:
	@mkdir -p $(@D)
	npy images $(PATCHES) --pool 2 -o $@

$(CELLS)/rank-real/patches.st: $(CELLS)/images/patches.npy
	@mkdir -p $(@D)
	dae-fit $< --kind unet --width 24 --steps 2000 --batch 32 --lr 0.003 --flip --seed 1 --quiet -o $@

RANK_REAL_digits := $(CELLS)/unet/digits-width12-rows512-setA.st
RANK_REAL_fashion := $(CELLS)/unet/fashion-width24-rows4096-setA.st
RANK_REAL_patches := $(CELLS)/rank-real/patches.st
$(CELLS)/rank-real/%.csv: $$(RANK_REAL_$$*)
	@mkdir -p $(@D)
	jacobian-rank $< --levels edm:18 -n $(RANK_REAL_LATENTS) --seed 100 --per-sample --quiet \
	    | table cat --with data=$* -o $@

$(DRAWN)/rank-real.csv: $(CELLS_rank-real) figures/published/rank-real.csv
	@mkdir -p $(@D)
	table cat $(CELLS_rank-real) | table mean --by data,sigma,snr --value rank_ratio \
	    | table cat - figures/published/rank-real.csv --fill -o $@

$(DRAWN)/rank-real.svg:
	fig line $< --x snr --y rank_ratio --by data --error rank_ratio_std --log-x --log-y \
	    --points 'published: CIFAR-10' --points 'published: AFHQ' --x-label '1/σ' --y-label 'rank / dimension' -o $@
