# Two components: with the joint constraint learning succeeds from N_k = r on, without it one row later.

CELLS_phase-k2 := $(call phase_cells,2,subspaces-basesjoint gradient-basesjoint subspaces-basesfree gradient-basesfree)

$(DRAWN)/phase-k2.csv: $(CELLS_phase-k2)
	$(joined)

$(DRAWN)/phase-k2.svg:
	$(PHASE_HEATMAP) --panel-columns 2 --title 'Success of learning, K = 2' -o $@
