# One component: PCA and the gradient-trained denoiser learn from N = r rows on.

CELLS_phase-k1 := $(call phase_cells,1,pca gradient)

$(DRAWN)/phase-k1.csv: $(CELLS_phase-k1)
	$(joined)

$(DRAWN)/phase-k1.svg:
	$(PHASE_HEATMAP) --title 'Success of learning, K = 1' -o $@
