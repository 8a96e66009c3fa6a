# Three components: with the joint constraint learning succeeds from N_k = r on, without it one row later.

CELLS_phase-k3 := $(call phase_cells,3,subspaces-basesjoint gradient-basesjoint subspaces-basesfree gradient-basesfree)

$(DRAWN)/phase-k3.csv: $(CELLS_phase-k3)
	$(joined)

$(DRAWN)/phase-k3.svg:
	$(PHASE_HEATMAP) --panel-columns 2 --title 'Success of learning, K = 3' -o $@
