# Images, and U-Nets trained on the first N of them: of regimes, optimal, disjoint, similarity, molrg-images.

# The digits come with the project. MNIST is yours to bring; Fashion-MNIST is Debian's dataset-fashion-mnist.
DIGITS := testdata/digits8x8_1797.npz:x
MNIST ?= data/train-images-idx3-ubyte.gz
MNIST_POOL ?= --pad 2 --pool 4
FASHION ?= /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz

# No prerequisites: KEY of an .npz is not part of a file's name.
$(CELLS)/images/digits.npy:
	@mkdir -p $(@D)
	npy images $(DIGITS) --from 0,16 -o $@

$(CELLS)/images/mnist.npy:
	@mkdir -p $(@D)
	npy images '$(MNIST)' $(MNIST_POOL) -o $@

$(CELLS)/images/fashion.npy:
	@mkdir -p $(@D)
	npy images '$(FASHION)' --pool 2 -o $@

# Rows of the images. Sets A and B share none, nor do they with the images that descriptors are fitted on and those
# held out.
SET_A_digits := 0
SET_B_digits := 600
FITTED_digits := 1112..1500
HELD_OUT_digits := 1500..
SET_A_mnist := 0
SET_B_mnist := 20000
HELD_OUT_mnist := 30000..31000
FITTED_mnist := 40000..60000
SET_A_fashion := 0
HELD_OUT_fashion := 30000..31000
FITTED_fashion := 40000..60000

data = $(firstword $(subst -, ,$(basename $(notdir $@))))
images = $(CELLS)/images/$(data).npy
set_of = $(data)-rows$(call field,rows)-set$(call field,set)

$(CELLS)/set/%.npy: $$(images)
	@mkdir -p $(@D)
	first=$(SET_$(call field,set)_$(data)); npy cat $< --rows $$first..$$((first + $(call field,rows))) -o $@

$(CELLS)/held-out/%.npy: $(CELLS)/images/%.npy
	@mkdir -p $(@D)
	npy cat $< --rows $(HELD_OUT_$(data)) -o $@

$(CELLS)/fitted/%.npy: $(CELLS)/images/%.npy
	@mkdir -p $(@D)
	npy cat $< --rows $(FITTED_$(data)) -o $@

UNET_STEPS_digits := $(call small,1000,3000)
UNET_STEPS_mnist := 3000
UNET_STEPS_fashion := 6000
unet_steps = $(or $(call field,steps),$(UNET_STEPS_$(data)))

$(CELLS)/unet/%.st: $(CELLS)/set/$$(set_of).npy
	@mkdir -p $(@D)
	dae-fit $< --kind unet --width $(call field,width) --steps $(unet_steps) --batch $(call small,32,64) --lr 0.003 \
	    --seed $(if $(filter A,$(call field,set)),1,2) --quiet -o $@

# What networks, and the optimal denoiser of their training set, make of the same latents; and of others.
IMAGES := $(call small,300,1000)

$(CELLS)/drawn/%.npy: $(CELLS)/unet/%.st
	@mkdir -p $(@D)
	pf-sample $< -n $(IMAGES) --seed 100 --quiet -o $@

$(CELLS)/drawn-otherwise/%.npy: $(CELLS)/unet/%.st
	@mkdir -p $(@D)
	pf-sample $< -n $(IMAGES) --seed 101 --quiet -o $@

$(CELLS)/optimal/%.npy: $(CELLS)/set/%.npy
	@mkdir -p $(@D)
	dae-fit $< --kind empirical | pf-sample -n $(IMAGES) --seed 100 --quiet -o $@

# Raw pixels cannot tell copies of small images from new ones; 32 whitened principal coordinates can.
SIMILAR = --descriptor whiten:32 --fit $(CELLS)/fitted/$(data).npy --threshold 0.9

# The grids of regimes, optimal and disjoint.
REGIMES_DATA := $(call small,digits,mnist fashion)
REGIMES_ROWS_digits := 16 512
REGIMES_ROWS_mnist := 16 32 64 128 256 512 1024 2048 4096
REGIMES_ROWS_fashion := 16 4096
REGIMES_WIDTHS_digits := 12 8
REGIMES_WIDTHS_mnist := 12 24 48
REGIMES_WIDTHS_fashion := 12 24
REGIMES_PAIRS_digits := a12-b8
REGIMES_PAIRS_mnist := a12-b24 a12-b48 a24-b48
REGIMES_PAIRS_fashion := a12-b24
# The width of the networks that are also trained on other images, and drawn from other latents.
REGIMES_WIDTH_digits := 12
REGIMES_WIDTH_mnist := 12
REGIMES_WIDTH_fashion :=

# The widest takes as long as all others: every second size.
regimes_widths = $(filter-out $(if $(filter 32 128 512 2048,$2),48),$(REGIMES_WIDTHS_$1))
regimes_pairs = $(filter-out $(if $(filter 32 128 512 2048,$2),%-b48),$(REGIMES_PAIRS_$1))
drawn_of = $(CELLS)/drawn/$(data)-width$1-rows$(call field,rows)-set$2.npy
here = $(data)-width$(call field,width)-rows$(call field,rows)
# Columns of every file: which panel and which line of the figure it belongs to.
regimes_columns = table cat --with data=$(data) --with panel='$1' --with rows=$(call field,rows) \
    --with series='$2' --columns score,value,std_error,ci_low,ci_high -o $@

.PRECIOUS: $(CELLS)/set/%.npy $(CELLS)/held-out/%.npy $(CELLS)/fitted/%.npy $(CELLS)/unet/%.st \
    $(CELLS)/drawn/%.npy $(CELLS)/drawn-otherwise/%.npy $(CELLS)/optimal/%.npy
