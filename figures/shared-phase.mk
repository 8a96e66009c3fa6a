# Success of learning over rank and rows of each component: of phase-k1, phase-k2, phase-k3.

PHASE_RANKS := $(call small,2 4 6,2 3 4 5 6 7 8)
PHASE_SAMPLES := $(call small,2-8,2-15)
PHASE_TRIALS := $(call small,5,20)

PHASE_BASES_joint := joint constraint
PHASE_BASES_free := no joint constraint
PHASE_SOLVER_pca := PCA
PHASE_SOLVER_subspaces := K-subspaces
PHASE_SOLVER_gradient := Gradient

# With the joint constraint, the spectral start and some spread ones. Without, uniform starts, which know nothing of the
# rows: the others find the planted subspaces even where others explain the rows as well. K-subspaces take so little
# time that hundreds of starts make up for their many local optima.
PHASE_FLAGS_pca :=
PHASE_FLAGS_gradient :=
PHASE_FLAGS_subspaces-joint := --orthogonal --restarts 30
PHASE_FLAGS_gradient-joint := --orthogonal --restarts 30 --iterations 400
PHASE_FLAGS_subspaces-free := --init uniform --restarts $(call small,200,1000)
PHASE_FLAGS_gradient-free := --init uniform --restarts 20 --iterations 300

phase_kind = $(call field,solver)$(if $(call field,bases),-$(call field,bases))
phase_panel = $(PHASE_SOLVER_$(call field,solver))$(if $(call field,bases),$(comma) $(PHASE_BASES_$(call field,bases)))

$(CELLS)/phase/%.csv:
	@mkdir -p $(@D)
	phase-grid --dim 48 --ranks $(call field,rank) --samples $(PHASE_SAMPLES) --components $(call field,components) \
	    --trials $(PHASE_TRIALS) --solver $(call field,solver) $(PHASE_FLAGS_$(phase_kind)) \
	    | table cat --with panel='$(phase_panel)' -o $@

# Cells of one of the figures: $1 components, $2 solvers with their constraint.
phase_cells = $(foreach solver,$2,$(foreach rank,$(or $(PHASE_RANKS_$(solver)-$1),$(PHASE_RANKS)), \
    $(CELLS)/phase/components$1-solver$(solver)-rank$(rank).csv))

PHASE_HEATMAP = fig heatmap $< --panel panel --x samples --y rank --value success --range 0,1 \
    --x-label 'rows of each component' --y-label rank --no-numbers

# Without the constraint, it takes the more uniform starts the higher the rank and the more components: these ranks alone.
PHASE_RANKS_gradient-basesfree-2 := $(call small,2 4,2 3 4 5)
PHASE_RANKS_gradient-basesfree-3 := $(call small,2,2 3)
PHASE_RANKS_subspaces-basesfree-2 := $(call small,2 4,2 3 4 5 6)
PHASE_RANKS_subspaces-basesfree-3 := $(call small,2,2 3 4)
