# Learning in context by linear attention: risk over the angle between the subspaces of training and of the test, in closed
# form, trained, and simulated (arXiv 2505.14808).

IN_CONTEXT_SETTING := -d 20 -r 5 --eps 1e-3 --prompt $(call small,20$(comma)1000,20$(comma)100$(comma)1000) \
    --angle $(call small,0$(comma)45$(comma)90,0$(comma)10$(comma)20$(comma)30$(comma)40$(comma)45$(comma)50$(comma)60$(comma)70$(comma)80$(comma)90)
IN_CONTEXT_TASKS := single union2 union4
IN_CONTEXT_optimal := icl optimal
IN_CONTEXT_trained := icl train --steps $(call small,1000,4000)
IN_CONTEXT_simulated := icl risk --simulate $(call small,500,4000)

CELLS_in-context := $(foreach tasks,$(IN_CONTEXT_TASKS),$(foreach how,optimal trained simulated, \
    $(CELLS)/in-context/tasks$(tasks)-how$(how).csv))

$(CELLS)/in-context/%.csv:
	@mkdir -p $(@D)
	$(IN_CONTEXT_$(call field,how)) $(IN_CONTEXT_SETTING) --tasks $(subst union,union:,$(call field,tasks)) --quiet \
	    | table cat - --with tasks='$(call field,tasks)' $(call with,how) --with series='$(call field,tasks) $(call field,how)' -o $@

$(DRAWN)/in-context.csv: $(CELLS_in-context)
	$(joined)

$(DRAWN)/in-context.svg:
	fig line $< --panel prompt --x angle --y risk --by series --x-label 'angle between training and test' --y-label risk -o $@
