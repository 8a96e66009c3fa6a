# Two networks trained on images of which they share none: each returns its own, until both learn the distribution.

DISJOINT_DATA := $(firstword $(REGIMES_DATA))
DISJOINT_WIDTH := $(REGIMES_WIDTH_$(DISJOINT_DATA))
DISJOINT_FEW := $(firstword $(REGIMES_ROWS_$(DISJOINT_DATA)))
DISJOINT_MANY := $(lastword $(REGIMES_ROWS_$(DISJOINT_DATA)))
CELLS_disjoint := $(foreach rows,$(REGIMES_ROWS_$(DISJOINT_DATA)), \
    $(CELLS)/regimes/rp-disjoint/$(DISJOINT_DATA)-rows$(rows)-width$(DISJOINT_WIDTH).csv \
    $(foreach set,A B,$(CELLS)/disjoint-gl/$(DISJOINT_DATA)-rows$(rows)-width$(DISJOINT_WIDTH)-set$(set).csv))

# Is what a network draws new to its own training set?
$(CELLS)/disjoint-gl/%.csv: $(CELLS)/drawn/$$(here)-set$$(call field,set).npy $(CELLS)/set/$$(set_of).npy $(CELLS)/fitted/$$(data).npy
	@mkdir -p $(@D)
	rp-score $< --train $(word 2,$^) --gl similarity,ratio $(SIMILAR) \
	    | $(call regimes_columns,GL,network of set $(call field,set))

$(DRAWN)/disjoint.csv: $(CELLS_disjoint)
	$(joined)

# Rows under each other come from the same latents.
disjoint_drawn = $(CELLS)/drawn/$(DISJOINT_DATA)-width$(DISJOINT_WIDTH)-rows$1-set$2.npy
$(DRAWN)/disjoint.svg: $(foreach rows,$(DISJOINT_FEW) $(DISJOINT_MANY),$(foreach set,A B,$(call disjoint_drawn,$(rows),$(set))))
	fig images $(filter %.npy,$^) --columns 16 --scale 5 \
	    --label '$(DISJOINT_FEW) images, set A' --label '$(DISJOINT_FEW) images, set B' \
	    --label '$(DISJOINT_MANY) images, set A' --label '$(DISJOINT_MANY) images, set B' -o $@
