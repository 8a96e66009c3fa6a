# PFD between two Gaussians on random subspaces against its closed form, 80/√6401 ‖UUᵀ − VVᵀ‖_F.

GAUSSIAN_LATENTS := $(call small,100 1000 10000,100 300 1000 3000 10000 30000 100000)
GAUSSIAN_STEPS := $(call small,10 18 64 256,10 18 32 64 128 256)
GAUSSIAN_SEEDS := $(call small,1 2 3 4 5 6,1 2 3 4 5 6 7 8 9 10)
GAUSSIAN_CELLS := $(foreach steps,$(GAUSSIAN_STEPS),$(foreach seed,$(GAUSSIAN_SEEDS), \
    $(GAUSSIAN_LATENTS:%=$(CELLS)/pfd-gaussian/latents%-steps$(steps)-seed$(seed).csv)))
# The same latents by a solver exact to 1e-8: what is left is the bias of the steps alone.
GAUSSIAN_BIAS_CELLS := $(GAUSSIAN_STEPS:%=$(CELLS)/pfd-gaussian/bias-steps%.csv)

$(CELLS)/pfd-gaussian/seed%.st:
	@mkdir -p $(@D)
	molrg-gen -d 48 -r 6 -k 1 -n 1 --seed $* --dtype f64 --truth $@ -o /dev/null

GAUSSIANS := $(CELLS)/pfd-gaussian/seed1.st $(CELLS)/pfd-gaussian/seed2.st
$(CELLS)/pfd-gaussian/exact.csv: $(GAUSSIANS)
	subspace-error $^ | table cat --filter component=all | table let 'exact=80 / sqrt(6401) * error' -o $@

CELLS_pfd-gaussian := $(GAUSSIAN_CELLS) $(GAUSSIAN_BIAS_CELLS)

GAUSSIAN_PFD = pfd $(GAUSSIANS) --dtype f64 --quiet
$(CELLS)/pfd-gaussian/latents%.csv: $(GAUSSIANS) $(CELLS)/pfd-gaussian/exact.csv
	exact=$$(table cat $(word 3,$^) --columns exact | tail -n 1); \
	$(GAUSSIAN_PFD) -n $(call field,latents) --steps $(call field,steps) --seed $(call field,seed) \
	    | table cat $(call with,latents steps seed) --with exact=$$exact --columns value -o $@

$(CELLS)/pfd-gaussian/bias-%.csv: $(GAUSSIANS)
	fine=$$($(GAUSSIAN_PFD) -n 1000 --solver rk45 --rtol 1e-10 --atol 1e-12 --sigma-min 1e-5 | table cat --columns value | tail -n 1); \
	$(GAUSSIAN_PFD) -n 1000 --steps $(call field,steps) \
	    | table cat $(call with,steps) --with fine=$$fine --columns value \
	    | table let 'bias=abs(value / fine - 1)' -o $@

$(DRAWN)/pfd-gaussian.csv: $(GAUSSIAN_CELLS)
	@mkdir -p $(@D)
	table cat $^ | table let 'error=abs(value / exact - 1)' | table mean --by steps,latents --value error -o $@
$(DRAWN)/pfd-gaussian-bias.csv: $(GAUSSIAN_BIAS_CELLS)
	@mkdir -p $(@D)
	table cat $^ -o $@

MORE_pfd-gaussian := pfd-gaussian-bias
$(DRAWN)/pfd-gaussian.svg:
	fig line $< --x latents --y error --by steps --error error_std_error --log-x --log-y --guide=-0.5:'slope −1/2' \
	    --y-label 'relative error, mean over seeds' -o $@
$(DRAWN)/pfd-gaussian-bias.svg: $(DRAWN)/pfd-gaussian-bias.csv
	fig line $< --x steps --y bias --log-x --log-y --guide=-2:'slope −2' --y-label 'relative bias' -o $@

.PRECIOUS: $(CELLS)/pfd-gaussian/seed%.st
