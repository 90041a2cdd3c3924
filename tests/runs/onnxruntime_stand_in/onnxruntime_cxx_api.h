// Stands in for the C++ header of onnxruntime where it is not installed: PyPI's package brings the
// library alone. It declares what the README of an export uses, as the header does, and calls the
// library by the places of functions in its table, which never change.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#define ORT_TSTR(X) X

struct OrtStatus;
struct OrtEnv;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtMemoryInfo;
struct OrtValue;
enum OrtAllocatorType { OrtInvalidAllocator = -1, OrtDeviceAllocator = 0, OrtArenaAllocator = 1 };
enum OrtMemType { OrtMemTypeCPU = -1, OrtMemTypeDefault = 0 };
enum OrtLoggingLevel { ORT_LOGGING_LEVEL_WARNING = 2 };

struct OrtApiBase {
  void* const*(*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};
extern "C" const OrtApiBase* OrtGetApiBase();

namespace Ort {

enum Place {
  GetErrorMessage = 2,
  CreateEnv = 3,
  CreateSession = 7,
  RunSession = 9,
  CreateSessionOptions = 10,
  CreateRunOptions = 39,
  CreateTensorWithDataAsOrtValue = 49,
  GetTensorMutableData = 51,
  CreateCpuMemoryInfo = 69,
};

template <typename Function>
Function function(Place place) {
  return reinterpret_cast<Function>(OrtGetApiBase()->GetApi(1)[place]);
}

template <typename... Arguments>
void call(Place place, Arguments... arguments) {
  if (auto* status = function<OrtStatus* (*)(Arguments...)>(place)(arguments...))
    throw std::runtime_error(function<const char* (*)(OrtStatus*)>(GetErrorMessage)(status));
}

template <typename T>
struct Base {
  Base() = default;
  Base(const Base&) = delete;
  Base(Base&& other) noexcept : held(other.held) { other.held = nullptr; }
  operator T*() const { return held; }
  T* held = nullptr;  // let go at the end of the process
};

struct Env : Base<OrtEnv> {
  explicit Env(OrtLoggingLevel level = ORT_LOGGING_LEVEL_WARNING, const char* name = "") {
    call(CreateEnv, level, name, &held);
  }
};

struct SessionOptions : Base<OrtSessionOptions> {
  SessionOptions() { call(CreateSessionOptions, &held); }
};

struct RunOptions : Base<OrtRunOptions> {
  RunOptions() { call(CreateRunOptions, &held); }
};

struct MemoryInfo : Base<OrtMemoryInfo> {
  static MemoryInfo CreateCpu(OrtAllocatorType allocator, OrtMemType type) {
    MemoryInfo made;
    call(CreateCpuMemoryInfo, allocator, type, &made.held);
    return made;
  }
};

struct Value : Base<OrtValue> {
  template <typename T>
  static Value CreateTensor(const OrtMemoryInfo* memory, T* data, size_t count,
                            const int64_t* shape, size_t axes) {
    static_assert(sizeof(T) == 4, "single precision, which is type 1");
    Value made;
    call(CreateTensorWithDataAsOrtValue, memory, static_cast<void*>(data), count * sizeof(T),
         shape, axes, 1, &made.held);
    return made;
  }

  template <typename T>
  const T* GetTensorData() const {
    void* data = nullptr;
    call(GetTensorMutableData, held, &data);
    return static_cast<const T*>(data);
  }
};

struct Session : Base<OrtSession> {
  Session(const Env& env, const char* path, const SessionOptions& options) {
    call(CreateSession, static_cast<OrtEnv*>(env), path, static_cast<OrtSessionOptions*>(options),
         &held);
  }

  std::vector<Value> Run(const RunOptions& options, const char* const* input_names,
                         const Value* inputs, size_t input_count, const char* const* output_names,
                         size_t output_count) {
    std::vector<OrtValue*> given, taken(output_count, nullptr);
    for (size_t k = 0; k < input_count; k++) given.push_back(inputs[k]);
    call(RunSession, held, static_cast<OrtRunOptions*>(options), input_names, given.data(),
         input_count, output_names, output_count, taken.data());
    std::vector<Value> results(output_count);
    for (size_t k = 0; k < output_count; k++) results[k].held = taken[k];
    return results;
  }
};

}  // namespace Ort
