# Error against evaluations of all solvers, on a Gaussian and a mixture.

SOLVERS := euler heun dpm2 dpmpp2m dpm3 rk4
SOLVER_STEPS := $(call small,12 24 48 96 192 384 768,8 12 18 24 36 48 72 96 144 192 288 384 576 768)
CELLS_solvers := $(foreach target,gaussian mixture,$(foreach solver,$(SOLVERS), \
    $(SOLVER_STEPS:%=$(CELLS)/solvers/$(target)-solver$(solver)-steps%.csv)))

# Noise of a tenth makes the flow smooth near 0. Every grid's last step, from sigma-min to 0, is of order 1 or 2 and
# leaves an error of about sigma-min²/2 over the noise: hence the small ones.
$(CELLS)/solvers/gaussian.st:
	@mkdir -p $(@D)
	molrg-gen -d 48 -r 6 -k 1 --spectrum linear:0.25 --noise-std 0.1 -n 1 --dtype f64 --truth $@ -o /dev/null
$(CELLS)/solvers/mixture.st:
	@mkdir -p $(@D)
	molrg-gen -d 48 -r 6 -k 2 --noise-std 0.1 -n 1 --dtype f64 --truth $@ -o /dev/null

SOLVER_DRAW = pf-sample $< -n 200 --seed 1 --dtype f64 --quiet
$(CELLS)/solvers/%-exact.npy: $(CELLS)/solvers/%.st
	$(SOLVER_DRAW) --solver rk45 --rtol 1e-11 --atol 1e-13 --sigma-min 1e-7 -o $@

target = $(firstword $(subst -, ,$(notdir $@)))
$(CELLS)/solvers/%.csv: $(CELLS)/solvers/$$(target).st $(CELLS)/solvers/$$(target)-exact.npy
	$(SOLVER_DRAW) --solver $(call field,solver) --sigma-min 1e-6 --steps $(call field,steps) \
	    --report $(@:.csv=-report.csv) -o $(@:.csv=.npy)
	evaluations=$$(table let $(@:.csv=-report.csv) 'each=evaluations / samples' | table cat --columns each | tail -n 1); \
	pfd $(@:.csv=.npy) $(word 2,$^) \
	    | table cat --with target=$(target) $(call with,solver steps) --with evaluations=$$evaluations \
	        --columns error=value -o $@

TABLES_solvers := solvers-order
# Orders: the slope over the finest grids. On the Gaussian dpm3's error changes its sign near 150 steps, and falls faster
# before and slower after.
$(DRAWN)/solvers-order.csv: $(DRAWN)/solvers.csv
	table cat $< $(foreach steps,$(call small,384 768,384 576 768),--filter steps=$(steps)) \
	    | table slope --x steps --y error --log-x --log-y --by target,solver -o $@

$(DRAWN)/solvers.csv: $(CELLS_solvers)
	$(joined)

$(DRAWN)/solvers.svg:
	fig line $< --panel target --x evaluations --y error --by solver --log-x --log-y -o $@

.PRECIOUS: $(CELLS)/solvers/%-exact.npy
