# Marks in the spectrum, embedded at a level of the flow: what they do to images, and which attacks they survive.

# A network of regimes, and images that it was not trained on.
WATERMARK_NET := $(CELLS)/unet/digits-width12-rows512-setA.st
WATERMARK_IMAGES := $(CELLS)/watermark/images.npy
# 0 is the image itself; at 80 sampling starts.
WATERMARK_LEVELS := $(call small,0 1 80,0 0.3 1 3 10 80)
# Rings about frequency 0, in steps of the spectrum, and the size of the images' numbers, √(mean square): with the noise
# of the level a key times it is as large as the frequencies it takes the place of.
WATERMARK_KEY := --shape 8,8 --radius 1,3
WATERMARK_SIZE := 0.76
WATERMARK_ATTACKS := none noise blur resize drop jpeg median
WATERMARK_noise := --kind noise --strength 0.3 --seed 7
WATERMARK_blur := --kind blur --strength 0.8
WATERMARK_resize := --kind resize --strength 0.5
WATERMARK_drop := --kind drop --strength 0.43
WATERMARK_jpeg := --kind jpeg --strength 25
WATERMARK_median := --kind median --strength 3

CELLS_watermark := $(patsubst %,$(CELLS)/watermark/response/level%.csv,$(filter-out 0,$(WATERMARK_LEVELS))) \
    $(foreach level,$(WATERMARK_LEVELS),$(CELLS)/watermark/psnr/level$(level).csv \
    $(WATERMARK_ATTACKS:%=$(CELLS)/watermark/tpr/level$(level)-attack%.csv))

# To the level of the target and back, and the key's strength there.
to_level = $(if $(filter 0,$(call field,level)),npy cat $1,pf-sample $(WATERMARK_NET) --encode --noise $1 --until $(call field,level) --quiet)
from_level = $(if $(filter 0,$(call field,level)),npy cat -,pf-sample $(WATERMARK_NET) --from $(call field,level) --noise - --quiet)
by_key = --key $(CELLS)/watermark/key.npy --strength $$(awk 'BEGIN { print sqrt($(call field,level)^2 + $(WATERMARK_SIZE)^2) }')

$(CELLS)/watermark/key.npy:
	@mkdir -p $(@D)
	watermark key $(WATERMARK_KEY) --pattern ring --band low --seed 42 -o $@

$(WATERMARK_IMAGES): $(CELLS)/held-out/digits.npy
	@mkdir -p $(@D)
	npy cat $< --rows ..100 -o $@

$(CELLS)/watermark/points/%.npy: $(WATERMARK_NET) $(WATERMARK_IMAGES)
	@mkdir -p $(@D)
	$(call to_level,$(WATERMARK_IMAGES)) -o $@

$(CELLS)/watermark/marked-points/%.npy: $(CELLS)/watermark/points/%.npy $(CELLS)/watermark/key.npy
	@mkdir -p $(@D)
	watermark embed $< $(by_key) -o $@

$(CELLS)/watermark/marked/%.npy: $(CELLS)/watermark/marked-points/%.npy
	@mkdir -p $(@D)
	$(from_level) < $< -o $@

# ‖D(x + Δx) − D(x)‖/‖Δx‖: what the denoiser sees of a mark.
$(CELLS)/watermark/response/%.csv: $(CELLS)/watermark/points/%.npy $(CELLS)/watermark/marked-points/%.npy
	@mkdir -p $(@D)
	apart() { image-quality $$1 $$2 --no-ssim --data-range=-1000,1000; }; \
	    mark=$$(apart $^ | table cat - --columns rmse | tail -n 1); \
	    apart $(foreach points,$^,<(dae-apply $(WATERMARK_NET) $(points) --sigma $(call field,level))) | table let "value=rmse/$$mark" \
	    | table cat - --with level=$(call field,level) --with attack= --with measure=response --columns value -o $@

$(CELLS)/watermark/psnr/%.csv: $(CELLS)/watermark/marked/%.npy
	@mkdir -p $(@D)
	image-quality $(WATERMARK_IMAGES) $< --no-ssim | table let value=psnr \
	    | table cat - --with level=$(call field,level) --with attack= --with measure=PSNR --columns value -o $@

# What is left of marks, and what seems to be one where there is none.
attacked = $(if $(filter none,$(call field,attack)),npy cat $1,watermark attack $1 $(WATERMARK_$(call field,attack)))
scores_of = $(call attacked,$1) | $(call to_level,-) | watermark detect $(by_key) | table cat - --with marked=$2
$(CELLS)/watermark/tpr/%.csv: $(CELLS)/watermark/marked/$$(firstword $$(subst -, ,$$*)).npy
	@mkdir -p $(@D)
	table cat <($(call scores_of,$<,1)) <($(call scores_of,$(WATERMARK_IMAGES),0)) | table roc - --score distance --label marked \
	    | table let value=tpr_at_1fpr | table cat - --with level=$(call field,level) --with attack=$(call field,attack) \
	    --with measure=TPR --columns value,auc -o $@

$(DRAWN)/watermark.csv: $(CELLS_watermark)
	@mkdir -p $(@D)
	table cat --fill $^ -o $@

$(DRAWN)/watermark.svg:
	fig line $< --panel measure --x level --y value --by attack --x-label 'σ where it is marked' --y-label '' -o $@

.PRECIOUS: $(CELLS)/watermark/points/%.npy $(CELLS)/watermark/marked-points/%.npy $(CELLS)/watermark/marked/%.npy
