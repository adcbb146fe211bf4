// SPDX-License-Identifier: Apache-2.0
#include "preload/daemon/plugin.h"

int main(int argc, char** argv) {
  return preload::plugin_main({argv, static_cast<std::size_t>(argc)}, {});
}
