# How linear denoisers are over noise levels, and what is left of them as affine maps: few training images and many.

LINEARITY_DATA := digits
LINEARITY_ROWS := $(call small,16 512,16 64 512)
LINEARITY_WIDTH := 12
LINEARITY_LEVELS := 0.1,0.2,0.5,1,2,4,10,80
LINEARITY_MEASURES := raw centred gaussian wiener

CELLS_linearity := $(foreach rows,$(LINEARITY_ROWS),$(foreach measure,$(LINEARITY_MEASURES), \
    $(CELLS)/linearity/$(measure)/rows$(rows).csv))

linearity_net = $(CELLS)/unet/$(LINEARITY_DATA)-width$(LINEARITY_WIDTH)-rows$(call field,rows)-setA.st
linearity_columns = table cat - --with rows=$(call field,rows) --with measure='$1' --columns sigma,value -o $@
LINEARITY_HELD_OUT := $(CELLS)/held-out/$(LINEARITY_DATA).npy

# The score of arXiv 2410.24060, of D and of D about the mean image.
$(CELLS)/linearity/raw/%.csv: $$(linearity_net) $(LINEARITY_HELD_OUT)
	@mkdir -p $(@D)
	linearity $^ --sigma $(LINEARITY_LEVELS) --pairs 200 --quiet | table let value=cosine | $(call linearity_columns,linearity score)
$(CELLS)/linearity/centred/%.csv: $$(linearity_net) $(LINEARITY_HELD_OUT)
	@mkdir -p $(@D)
	linearity $^ --sigma $(LINEARITY_LEVELS) --pairs 200 --center --quiet | table let value=cosine | $(call linearity_columns,centred)

# Against the denoiser of the Gaussian with the training images' moments.
$(CELLS)/linearity/gaussian/%.csv: $$(linearity_net) $(CELLS)/set/$(LINEARITY_DATA)-rows$$(call field,rows)-setA.npy $(LINEARITY_HELD_OUT)
	@mkdir -p $(@D)
	dae-compare $< <(dae-fit $(word 2,$^) --kind gaussian) $(LINEARITY_HELD_OUT) --sigma $(LINEARITY_LEVELS) --quiet \
	    | table let value=nmse | $(call linearity_columns,apart from the Gaussian)

# The best affine map on images held out, against their Wiener filter.
$(CELLS)/linearity/wiener/%.csv: $$(linearity_net) $(LINEARITY_HELD_OUT)
	@mkdir -p $(@D)
	dae-distill $^ --sigma $(LINEARITY_LEVELS) --draws 10 --quiet --report $@.report.csv -o /dev/null
	table let $@.report.csv value=wiener_nmse | $(call linearity_columns,affine map apart from Wiener)

$(DRAWN)/linearity.csv: $(CELLS_linearity)
	$(joined)

$(DRAWN)/linearity.svg:
	fig line $< --panel measure --x sigma --y value --by rows --log-x --x-label σ --y-label '' -o $@
