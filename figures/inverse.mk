# Inverse problems, y = A x + s·ε: what methods that have a denoiser restore, beside the posterior's own mean and draws, which
# a mixture has in closed form; and of images, with a network, beside baselines (dps 2209.14687, ddnm 2212.00490, dcdp 2403.06054).

# As mixtures three classes of rank 4 in R^48, as images of 6×8; and a network of regimes, with digits it was not trained on.
INVERSE_NET := $(CELLS)/unet/digits-width12-rows512-setA.st
INVERSE_mixture := $(CELLS)/inverse/mixture.st
INVERSE_digits := $(INVERSE_NET)
INVERSE_NOISES_mixture := $(call small,0.1 0.3,0.05 0.1 0.3)
INVERSE_NOISES_digits := 0.05

# The half of the numbers that chance has it, means of 2×2 and a Gaussian of 0.8 pixels.
INVERSE_OPERATORS := mask downsample blur
INVERSE_A_mask = mask:$(CELLS)/inverse/$(data)-mask.npy
INVERSE_A_downsample := downsample:2
INVERSE_A_blur := blur:0.8

# The deviation of the data's numbers is 0.3 for the mixture.
INVERSE_BY_mean := --method exact --mean
INVERSE_BY_draw := --method exact --seed 5
INVERSE_BY_dps := --method dps --step-size 0.3 --steps 100 --seed 5
INVERSE_BY_pigdm = --method pigdm $(if $(filter mixture,$(data)),--data-std 0.3) --seed 5
INVERSE_BY_ddnm := --method ddnm --steps 100 --seed 5
INVERSE_BY_dcdp := --method dcdp --purify 0.4,0.05 --seed 5
INVERSE_BY_pseudo := --method pseudo-inverse
INVERSE_BY_wiener := --method exact --mean
INVERSE_METHODS_mixture := mean draw dps pigdm ddnm dcdp pseudo
INVERSE_METHODS_digits := wiener dps pigdm ddnm dcdp pseudo

inverse_cells = $(foreach operator,$(INVERSE_OPERATORS),$(foreach noise,$(INVERSE_NOISES_$1), \
    $(foreach method,$(INVERSE_METHODS_$1),$1-operator$(operator)-noise$(noise)-method$(method))))
INVERSE_SEEN := $(INVERSE_NOISES_digits:%=digits-operatorblur-noise%-methodseen)
CELLS_inverse := $(foreach run,$(call inverse_cells,mixture) $(call inverse_cells,digits) $(INVERSE_SEEN),$(CELLS)/inverse/error/$(run).csv)

$(CELLS)/inverse/mixture.st $(CELLS)/inverse/mixture-clean.npy &:
	@mkdir -p $(@D)
	molrg-gen -d 48 -r 4 -k 3 --noise-std 0.1 --shape 6,8 -n $(call small,300,500) --seed 1 --truth $(@D)/mixture.st \
	    -o $(@D)/mixture-clean.npy
$(CELLS)/inverse/digits-clean.npy: $(CELLS)/held-out/digits.npy
	@mkdir -p $(@D)
	npy cat $< --rows ..$(call small,30,100) -o $@
# The Gaussian with the moments of what the network was trained on: of all that is linear, the best.
$(CELLS)/inverse/wiener.st: $(CELLS)/set/digits-rows512-setA.npy
	@mkdir -p $(@D)
	dae-fit $< --kind gaussian -o $@
$(CELLS)/inverse/%-mask.npy:
	@mkdir -p $(@D)
	npy noise -n 1 -d $(if $(filter mixture,$*),48,64) --seed 7 | npy let 'max(0,x)' --in x=- -o $@

inverse_of = --operator $(INVERSE_A_$(call field,operator)) --noise-std $(call field,noise)
$(CELLS)/inverse/measured/%.npy: $(CELLS)/inverse/$$(data)-clean.npy $(CELLS)/inverse/$$(data)-mask.npy
	@mkdir -p $(@D)
	measure $< $(inverse_of) --seed 2 -o $@

inverse_measured = $(CELLS)/inverse/measured/$(data)-operator$(call field,operator)-noise$(call field,noise).npy
inverse_model = $(if $(filter wiener,$(call field,method)),$(CELLS)/inverse/wiener.st,$(INVERSE_$(data)))
$(CELLS)/inverse/restored/%.npy: $$(inverse_model) $$(inverse_measured)
	@mkdir -p $(@D)
	$(if $(filter seen,$(call field,method)),npy cat $(word 2,$^),restore $^ $(inverse_of) $(INVERSE_BY_$(call field,method)) --quiet) -o $@

# The mean square error of a number, and PSNR, which is of images alone.
$(CELLS)/inverse/error/%.csv: $(CELLS)/inverse/$$(data)-clean.npy $(CELLS)/inverse/restored/%.npy
	@mkdir -p $(@D)
	image-quality $^ --no-ssim --data-range=-1,1 | table let 'error=rmse^2' \
	    | table cat --with data=$(data) $(call with,operator noise method) --columns error,psnr -o $@

$(DRAWN)/inverse.csv: $(CELLS_inverse)
	$(joined)
MORE_inverse := inverse-digits
$(DRAWN)/inverse.svg:
	fig line $< --filter data=mixture --panel operator --x noise --y error --by method --log-x --log-y --x-label s \
	    --y-label 'mean square error' -o $@
$(DRAWN)/inverse-digits.svg: $(DRAWN)/inverse.csv
	fig violin $< --filter data=digits --x operator --y psnr --by method --y-label 'PSNR, dB' -o $@

.PRECIOUS: $(CELLS)/inverse/%-mask.npy $(CELLS)/inverse/measured/%.npy $(CELLS)/inverse/restored/%.npy
