#include "model/tensor_memory.h"

#include <ATen/ATen.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <gtest/gtest.h>

#include <set>

namespace hat::model {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

/// Takes LibTorch's tensors over for one test.
class TensorMemory : public ::testing::Test {
 protected:
  TensorMemory() : before_(c10::GetCPUAllocator()) {
    install_tensor_memory();
    release_idle_tensor_memory();
  }
  ~TensorMemory() override { c10::SetCPUAllocator(before_); }

  static at::Tensor bytes(size_t size) {
    return at::empty({static_cast<int64_t>(size)}, at::TensorOptions().dtype(at::kByte));
  }

 private:
  c10::Allocator* before_;
};

TEST_F(TensorMemory, BlocksHaveFourSizesAnOctave) {
  EXPECT_EQ(tensor_block_bytes(1000), 1000u);
  std::set<size_t> sizes;
  for (size_t wanted = kMiB + 1; wanted <= 2 * kMiB; wanted += 997) {
    const size_t block = tensor_block_bytes(wanted);
    ASSERT_GE(block, wanted);
    ASSERT_LE(block - wanted, wanted / 4);
    sizes.insert(block);
  }
  EXPECT_EQ(sizes.size(), 4u);
  EXPECT_EQ(tensor_block_bytes(2 * kMiB), 2 * kMiB);
}

TEST_F(TensorMemory, AFreeBlockServesTheNextTensor) {
  void* first = nullptr;
  {
    const at::Tensor a = bytes(3 * kMiB);
    first = a.data_ptr();
    EXPECT_EQ(reinterpret_cast<uintptr_t>(first) % 64, 0u);
    EXPECT_EQ(tensor_memory_use().live, tensor_block_bytes(3 * kMiB));
  }
  EXPECT_EQ(tensor_memory_use().live, 0u);
  const at::Tensor b = bytes(3 * kMiB - 1000);
  EXPECT_EQ(b.data_ptr(), first);
  // All of it can be written.
  at::Tensor whole = bytes(5 * kMiB);
  whole.fill_(7);
  EXPECT_EQ(whole[static_cast<int64_t>(5 * kMiB) - 1].item<int>(), 7);
}

TEST_F(TensorMemory, HoldsAtMostHalfMoreThanWasEverUsed) {
  { const at::Tensor all = bytes(64 * kMiB); }
  const size_t most = 64 * kMiB * 3 / 2;
  for (size_t size = kMiB; size < 40 * kMiB; size += kMiB / 3) {
    const at::Tensor a = bytes(size);
    const TensorMemoryUse use = tensor_memory_use();
    ASSERT_LE(use.live + use.idle, most) << size;
  }
  release_idle_tensor_memory();
  EXPECT_EQ(tensor_memory_use().idle, 0u);
}

TEST_F(TensorMemory, MoreThanThereIsIsAnErrorNotACrash) {
  EXPECT_THROW(bytes(size_t{1} << 61), std::exception);
  const at::Tensor after = bytes(kMiB);
  EXPECT_NE(after.data_ptr(), nullptr);
}

TEST_F(TensorMemory, OperatorsThatAskForPlainMemoryGetIt) {
  for (const size_t size : {size_t{1}, size_t{5000}, kMiB, 3 * kMiB}) {
    void* memory = c10::GetCPUAllocator()->raw_allocate(size);
    static_cast<char*>(memory)[size - 1] = 1;
    c10::GetCPUAllocator()->raw_deallocate(memory);
  }
  EXPECT_EQ(tensor_memory_use().live, 0u);
  // A product in bf16 does, once it is large.
  const at::Tensor a = at::ones({600, 300}, at::kBFloat16);
  EXPECT_EQ(at::mm(a, a.t())[599][599].item<float>(), 300.0f);
}

TEST_F(TensorMemory, ContentSurvivesGrowthAndOtherOwners) {
  at::Tensor a = at::arange(1 << 18, at::kFloat);
  const at::Tensor copy = a.clone();
  a.resize_({1 << 19});
  EXPECT_TRUE(at::equal(a.narrow(0, 0, 1 << 18), copy));
  const at::Tensor view = a.narrow(0, 100, 200);
  a.reset();
  { const at::Tensor other = at::zeros({1 << 19}); }
  EXPECT_EQ(view[0].item<float>(), 100.0f);
}

}  // namespace
}  // namespace hat::model
