#define HAT_KERNEL_NAMESPACE avx512
#include "model/kernels/kernels_impl.h"
