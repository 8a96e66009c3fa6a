# Errors of students trained on independent data: bias and variance against the width of the network.

BIAS_RATIOS := $(call small,5,5 15 50)
BIAS_WIDTHS := $(call small,64 128 192,64 128 256 512)
BIAS_SEEDS := $(call small,1 2,1 2 3 4 5)
CELLS_bias-variance := $(foreach ratio,$(BIAS_RATIOS),$(foreach width,$(BIAS_WIDTHS), \
    $(CELLS)/bias-variance/rank6-width$(width)-ratio$(ratio).csv))

bias_students = $(foreach seed,$(BIAS_SEEDS), \
    $(CELLS)/student/rank6-width$(call field,width)-ratio$(call field,ratio)-seed$(seed).st)
$(CELLS)/bias-variance/%.csv: $(CELLS)/teacher/rank6.st $(CELLS)/parameters/mlp$$(call field,width).csv $$(bias_students)
	@mkdir -p $(@D)
	parameters=$$(table cat $(word 2,$^) --columns parameters | tail -n 1); \
	pfd --bias-variance $< $(wordlist 3,99,$^) -n 2000 --seed 100 --quiet \
	    | table cat $(call with,width ratio) --with parameters=$$parameters \
	        --columns metric,value,std_error,ci_low,ci_high,n -o $@

$(DRAWN)/bias-variance.csv: $(CELLS_bias-variance)
	$(joined)

$(DRAWN)/bias-variance.svg:
	fig line $< --panel ratio --x width --y value --by metric --low ci_low --high ci_high --bars --log2-x \
	    --y-label 'squared distance' -o $@
