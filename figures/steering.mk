# Edits of a part of an image along the leading directions of the masked Jacobian (LOCO), by level, direction and step.

STEERING_NET := $(CELLS)/unet/digits-width12-rows512-setA.st
STEERING_IMAGES := $(CELLS)/steering/images.npy
STEERING_LEVELS := $(call small,1,0.5 1 2)
# Whose length is this many times σ. `other` is the direction of the next image.
STEERING_DIRECTIONS := random pixels null0 null5 null10 other
STEERING_STEPS := $(call small,1 2,0.5 1 2 4)
# Images are squares of this side, and the mask is a quarter of them.
STEERING_SIDE := 8

CELLS_steering := $(foreach level,$(STEERING_LEVELS),$(foreach direction,$(STEERING_DIRECTIONS),$(foreach step,$(STEERING_STEPS), \
    $(CELLS)/steering/edit/level$(level)-direction$(direction)-step$(step).csv)))

steering_level = level$(call field,level)

$(STEERING_IMAGES): $(CELLS)/images/digits.npy
	@mkdir -p $(@D)
	npy cat $< --rows ..$(call small,20,60) -o $@

# The upper left quarter.
$(CELLS)/steering/mask.csv:
	@mkdir -p $(@D)
	awk -v n=$(STEERING_SIDE) 'BEGIN { for (y = 0; y < n; y++) { row = ""; for (x = 0; x < n; x++) row = row (x ? "," : "") (y < n / 2 && x < n / 2); print row } }' > $@

$(CELLS)/steering/points/%.npy: $(STEERING_NET) $(STEERING_IMAGES)
	@mkdir -p $(@D)
	pf-sample $< --encode --noise $(STEERING_IMAGES) --until $(call field,level) --quiet -o $@

# Directions of length 1; of chance they are so on average.
steering_pixels = $$(( $(STEERING_SIDE) * $(STEERING_SIDE) $1 ))
steering_noise = npy noise -n $(call small,20,60) -d $(call steering_pixels,) --shape $(STEERING_SIDE),$(STEERING_SIDE),1 --seed 9
$(CELLS)/steering/direction/%-directionrandom.npy: $(CELLS)/steering/points/%.npy
	@mkdir -p $(@D)
	$(steering_noise) | npy let "e/$(call steering_pixels,)^0.5" --in e=- -o $@
$(CELLS)/steering/direction/%-directionpixels.npy: $(CELLS)/steering/points/%.npy $(CELLS)/steering/mask.csv
	@mkdir -p $(@D)
	$(steering_noise) | npy let "m*e/$(call steering_pixels,/4)^0.5" --in e=- \
	    --in m=<(tr '\n' ',' < $(CELLS)/steering/mask.csv | sed 's/,$$//' | npy cat - --shape $(STEERING_SIDE),$(STEERING_SIDE),1) -o $@
$(CELLS)/steering/direction/%-directionother.npy: $(CELLS)/steering/direction/%-directionnull5.npy
	@mkdir -p $(@D)
	npy cat <(npy cat $< --rows 1..) <(npy cat $< --rows ..1) -o $@
$(CELLS)/steering/direction/%.npy: $(CELLS)/steering/points/$$(firstword $$(subst -, ,$$*)).npy $(STEERING_NET) $(CELLS)/steering/mask.csv
	@mkdir -p $(@D)
	jacobian-basis $(STEERING_NET) $< --sigma $(call field,level) --top 1 --mask $(CELLS)/steering/mask.csv \
	    --null-rank $(patsubst null%,%,$(call field,direction)) --quiet -o $@

# Share of the change inside the mask, and its size there, root mean square.
$(CELLS)/steering/edit/%.csv: $(CELLS)/steering/direction/level$$(call field,level)-direction$$(call field,direction).npy
	@mkdir -p $(@D)
	back() { pf-sample $(STEERING_NET) --from $(call field,level) --noise - --quiet; }; \
	    points=$(CELLS)/steering/points/level$(call field,level).npy; \
	    image-quality <(back < $$points) <(npy let 'x + $(call field,step)*$(call field,level)*v' --in x=$$points --in v=$< | back) \
	        --mask $(CELLS)/steering/mask.csv --no-ssim --data-range=-2,2 \
	    | table let 'share=inside' 'size=rmse*(4*inside)^0.5' | table cat - --with level=$(call field,level) \
	        --with direction=$(call field,direction) --with step=$(call field,step) --columns share,size -o $@

$(DRAWN)/steering.csv: $(CELLS_steering)
	$(joined)

$(DRAWN)/steering.svg:
	fig line $< --panel level --x size --y share --by direction --x-label 'change inside the mask, rms' \
	    --y-label 'share of the change inside' -o $@

.PRECIOUS: $(CELLS)/steering/points/%.npy $(CELLS)/steering/direction/%.npy
