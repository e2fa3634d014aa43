# tapdeck: see README.md. `make help` lists the targets.
BUILD    ?= build
CC       ?= gcc
SAN      ?=
OPT      ?= -O2 -g
WARN     := -std=c11 -pedantic -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Werror
CPPFLAGS += -D_GNU_SOURCE -Istack/include -Istack
CFLAGS   += $(WARN) $(OPT) $(SAN) -fno-strict-aliasing -fstack-protector-strong
LDFLAGS  += $(SAN)

CORE_SRC := $(filter-out stack/dev/%,$(sort $(shell find stack -name '*.c')))
DEV_SRC  := $(sort $(shell find stack/dev -name '*.c'))
CORE_OBJ := $(CORE_SRC:%.c=$(BUILD)/obj/%.o)
DEV_OBJ  := $(DEV_SRC:%.c=$(BUILD)/obj/%.o)
LIB      := $(BUILD)/libtapdeck.a
DEVLIB   := $(BUILD)/libtapdeck-dev.a

all: $(BUILD)/tapdeckd $(BUILD)/tapdeck
lib: $(LIB) $(DEVLIB)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(LIB): $(CORE_OBJ)
	@rm -f $@; ar rcs $@ $^
$(DEVLIB): $(DEV_OBJ)
	@rm -f $@; ar rcs $@ $^

# While modules are being written: archives whatever compiles.
partial:
	-@$(MAKE) -k --no-print-directory $(CORE_OBJ) $(DEV_OBJ) 2>&1 | grep -E 'error|warning' | head -40
	@rm -f $(LIB) $(DEVLIB)
	@ar rcs $(LIB) $(wildcard $(CORE_OBJ)); ar rcs $(DEVLIB) $(wildcard $(DEV_OBJ))

# One program a test file; they link what they use of the archives.
TEST_SRC := $(sort $(shell find tests/stack tests/apps -name 'test_*.c' 2>/dev/null))
TEST_BIN := $(TEST_SRC:%.c=$(BUILD)/%)
$(BUILD)/tests/%: $(BUILD)/obj/tests/%.o $(LIB) $(DEVLIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(DEVLIB) $(LIB) -lcheck -lsubunit -lm -lrt -lpthread -lpcap -ljansson -lnettle

clean:
	rm -rf build build-*

.PHONY: all lib partial clean
-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
