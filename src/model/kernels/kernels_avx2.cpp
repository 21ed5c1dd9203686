#define HAT_KERNEL_NAMESPACE avx2
#include "model/kernels/kernels_impl.h"
