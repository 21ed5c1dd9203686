#define HAT_KERNEL_NAMESPACE scalar
#include "model/kernels/kernels_impl.h"
