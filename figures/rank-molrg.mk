# Rank of the denoiser's Jacobian along the flow: the exact mixture, one fitted to its rows, and a network.

RANK_LATENTS := $(call small,5,100)
RANK_STUDENT := rank6-width$(call small,192-ratio50,256-ratio200)-seed1
CELLS_rank-molrg := $(patsubst %,$(CELLS)/rank-molrg/%.csv,exact fitted network)

$(CELLS)/rank-molrg/fitted.st: $(CELLS)/train/rank6-ratio$(call small,50,200)-seed1.npy
	@mkdir -p $(@D)
	dae-fit $< --kind molrg -k 2 -r 6 -o $@

RANK_MODEL_exact := $(CELLS)/teacher/rank6.st
RANK_MODEL_fitted := $(CELLS)/rank-molrg/fitted.st
RANK_MODEL_network := $(CELLS)/student/$(RANK_STUDENT).st
$(CELLS)/rank-molrg/%.csv: $$(RANK_MODEL_$$*)
	@mkdir -p $(@D)
	jacobian-rank $< --levels edm:18 -n $(RANK_LATENTS) --seed 100 --quiet | table cat --with model=$* -o $@

$(DRAWN)/rank-molrg.csv: $(CELLS_rank-molrg) figures/published/rank-molrg.csv
	@mkdir -p $(@D)
	table cat --fill $^ -o $@

$(DRAWN)/rank-molrg.svg:
	fig line $< --x snr --y rank_ratio --by model --log-x --points 'published: low-rank model' \
	    --points 'published: U-Net' --hline 0.125 --hline 0.25 --x-label '1/σ' --y-label 'rank / 48' -o $@
