# Two-layer denoising autoencoders on few and on many digits: stored images or shared components, and what hidden units
# tell of both (arXiv 2512.20963).

TWO_LAYER_ROWS := $(call small,5 1000,5 10 100 1000)
TWO_LAYER_STEPS := $(call small,4000,20000)
TWO_LAYER_DATA := $(CELLS)/two-layer/images.npy

CELLS_two-layer := $(foreach rows,$(TWO_LAYER_ROWS),$(CELLS)/two-layer/stored/rows$(rows).csv \
    $(CELLS)/two-layer/paired/rows$(rows).csv $(CELLS)/two-layer/auc/rows$(rows)-scorestd.csv \
    $(CELLS)/two-layer/auc/rows$(rows)-scorel4_over_l2.csv)

# About the mean of those held out, so that images point away from each other.
$(TWO_LAYER_DATA): $(CELLS)/images/digits.npy
	@mkdir -p $(@D)
	npy let 'x - m' --in x=$< --in m=<(dae-fit <(npy cat $< --rows 1000..) --kind gaussian -o $(@D)/mean.st; npy cat $(@D)/mean.st:means --shape 8,8,1) -o $@

# λ = 0.05 of the paper's loss: with one tied W, d times ours, a decay of 4λ/d.
$(CELLS)/two-layer/net/%.st: $(TWO_LAYER_DATA)
	@mkdir -p $(@D)
	dae-fit <(npy cat $< --rows ..$(call field,rows)) --kind two-layer --tied --width 50 --loss fixed --sigma 0.2 --batch 64 \
	    --weight-decay 0.003125 --steps $(TWO_LAYER_STEPS) --lr 0.003 --ema none --seed 1 --quiet -o $@

# Its columns as rows: what they are like among the training images, and among the other columns turned round.
$(CELLS)/two-layer/columns/%.npy: $(CELLS)/two-layer/net/%.st
	@mkdir -p $(@D)
	npy transpose $<:ema.layers.0.weight --axes 1,0 -o $@
two_layer_share = rp-score $< --train $1 --gl similarity --threshold 0.95 | table let 'share=1-value' \
    | table cat - --with rows=$(call field,rows) --with measure='$2' --columns share -o $@
$(CELLS)/two-layer/stored/%.csv: $(CELLS)/two-layer/columns/%.npy $(TWO_LAYER_DATA)
	@mkdir -p $(@D)
	$(call two_layer_share,<(npy cat $(TWO_LAYER_DATA) --rows ..$(call field,rows)),columns like a training image)
$(CELLS)/two-layer/paired/%.csv: $(CELLS)/two-layer/columns/%.npy
	@mkdir -p $(@D)
	$(call two_layer_share,<(npy let '0-x' --in x=$<),columns like another turned round)

# Training images against others, by how unevenly hidden units share them.
two_layer_scores = dae-features $< <(npy cat $(TWO_LAYER_DATA) --rows $1) --sigma 0.2 --layer hidden --summary | table cat - --with trained=$2
$(CELLS)/two-layer/auc/%.csv: $(CELLS)/two-layer/net/$$(firstword $$(subst -, ,$$*)).st
	@mkdir -p $(@D)
	table cat <($(call two_layer_scores,..$(call field,rows),1)) <($(call two_layer_scores,1000..,0)) \
	    | table roc - --score $(call field,score) --label trained | table let share=auc \
	    | table cat - --with rows=$(call field,rows) --with measure='AUC by $(call field,score)' --columns share -o $@

$(DRAWN)/two-layer.csv: $(CELLS_two-layer)
	$(joined)

$(DRAWN)/two-layer.svg:
	fig line $< --x rows --y share --by measure --log-x --y-range 0,1 --x-label 'training images' --y-label '' -o $@

.PRECIOUS: $(CELLS)/two-layer/net/%.st $(CELLS)/two-layer/columns/%.npy
