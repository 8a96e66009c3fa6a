# What the recipes of all figures share. Included by the Makefile; a recipe is one file beside this one.
#
#   make figures [SIZE=small|full]                every figure
#   make NAME    [SIZE=...]                       one of them
#   make figure-cells FIG=NAME [SIZE=...]         the files its sweep is made of, one a line
#   make figure-cell CELL=FILE [SIZE=...]         make one of these, and nothing else
#
# A file of a sweep is named by its settings, as rank6-width256-ratio10-seed1.csv; rules read them back from
# there. Programs write files whole or not at all, so whatever exists is done, and a rerun makes what is missing.
# Recipes list under .PRECIOUS what only leads to other files, which make would delete.

# small: every figure in minutes, for a look and for the tests. full: what is committed.
SIZE ?= small
$(if $(filter small full,$(SIZE)),,$(error SIZE=$(SIZE): small or full))
CELLS := figures/cells/$(SIZE)
DRAWN := $(if $(filter full,$(SIZE)),figures,figures/small)
FIGURES := $(patsubst figures/%.mk,%,$(filter-out figures/figures.mk figures/shared-%.mk,$(wildcard figures/*.mk)))

# Jobs of one thread each use the machine better than the programs' own threads, and never change a byte.
JOBS ?= $(shell nproc)
PARALLEL = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(JOBS)) $(if $(OMP_NUM_THREADS),,OMP_NUM_THREADS=1)

comma := ,
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.SECONDEXPANSION:
.DELETE_ON_ERROR:
export PATH := $(CURDIR)/$(RELEASE):$(PATH)

# Of the target rank6-width256.csv, $(call field,width) is 256, and $(call with,rank width) the flags of
# `table cat` that add both as columns.
field = $(patsubst $1%,%,$(filter $1%,$(subst -, ,$(basename $(notdir $@)))))
with = $(foreach name,$1,--with $(name)=$(call field,$(name)))
# $(call small,A,B): A for the small size, B for the full one.
small = $(if $(filter full,$(SIZE)),$2,$1)

# Tables and pictures of figures: NAME, and what its recipe lists in TABLES_NAME (of their own) and MORE_NAME (drawn).
drawn = $(foreach name,$1,$(DRAWN)/$(name).svg $(MORE_$(name):%=$(DRAWN)/%.svg) $(TABLES_$(name):%=$(DRAWN)/%.csv))

.PHONY: figures figure-cells figure-cell test-figures clean-figures drawn $(FIGURES)

figures: build ## Draw every figure of the papers: SIZE=small in minutes, SIZE=full in hours
	+$(MAKE) --no-print-directory $(PARALLEL) $(call drawn,$(FIGURES))

# One make draws all that are asked for, so that what they share is made once.
ASKED := $(filter $(FIGURES),$(MAKECMDGOALS))
$(ASKED): drawn
drawn: build
	+$(MAKE) --no-print-directory $(PARALLEL) $(call drawn,$(ASKED))

figure-cells: ## List the files of the sweep of FIG=NAME
	@printf '%s\n' $(or $(CELLS_$(FIG)),$(error FIG=$(FIG): is none of $(FIGURES)))

figure-cell: ## Make one file of a sweep: CELL=FILE
	+@$(MAKE) --no-print-directory $(or $(CELL),$(error CELL: name a file, as `make figure-cells` lists them))

test-figures: ## Draw the small figures anew and test what each must show
	rm -rf figures/cells/small figures/small
	+$(MAKE) --no-print-directory figures SIZE=small
	$(CARGO) test --release --locked --test programs figures:: -- --ignored

clean-figures: ## Remove the files of the sweeps of SIZE, and the small figures
	rm -rf $(CELLS) figures/small

# The first prerequisite of every picture is its table.
$(foreach name,$(FIGURES),$(eval $(DRAWN)/$(name).svg: $(DRAWN)/$(name).csv))

# The recipe of a table that is what it depends on, joined.
define joined
@mkdir -p $(@D)
table cat $^ -o $@
endef

include $(wildcard figures/shared-*.mk) $(FIGURES:%=figures/%.mk)
