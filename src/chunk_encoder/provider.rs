//! What ONNX Runtime can compute on.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result};

/// An execution provider of ONNX Runtime. Which ones there are depends on the library that is loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Provider {
    /// The processor.
    #[default]
    Cpu,
    /// Nvidia GPUs.
    Cuda,
    /// Nvidia GPUs, by TensorRT.
    TensorRt,
    /// AMD GPUs.
    MiGraphX,
    /// GPUs of Windows.
    DirectMl,
    /// Apple's neural engine and GPUs.
    CoreMl,
    /// Intel's NPUs, GPUs and CPUs.
    OpenVino,
    /// Qualcomm's NPUs.
    Qnn,
    /// The accelerators of Android.
    Nnapi,
    /// Huawei's NPUs.
    Cann,
    /// AMD's NPUs.
    Vitis,
    /// Rockchip's NPUs.
    Rknpu,
    /// VeriSilicon's NPUs.
    VsiNpu,
    /// Processors, by XNNPACK.
    Xnnpack,
}

impl Provider {
    /// All of them.
    pub const ALL: [Provider; 14] = [
        Provider::Cpu,
        Provider::Cuda,
        Provider::TensorRt,
        Provider::MiGraphX,
        Provider::DirectMl,
        Provider::CoreMl,
        Provider::OpenVino,
        Provider::Qnn,
        Provider::Nnapi,
        Provider::Cann,
        Provider::Vitis,
        Provider::Rknpu,
        Provider::VsiNpu,
        Provider::Xnnpack,
    ];

    /// The name in options.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
            Provider::MiGraphX => "migraphx",
            Provider::DirectMl => "directml",
            Provider::CoreMl => "coreml",
            Provider::OpenVino => "openvino",
            Provider::Qnn => "qnn",
            Provider::Nnapi => "nnapi",
            Provider::Cann => "cann",
            Provider::Vitis => "vitis",
            Provider::Rknpu => "rknpu",
            Provider::VsiNpu => "vsinpu",
            Provider::Xnnpack => "xnnpack",
        }
    }
}

impl FromStr for Provider {
    type Err = Error;

    /// By [`Provider::name`].
    fn from_str(s: &str) -> Result<Self> {
        Provider::ALL.into_iter().find(|p| p.name() == s).ok_or_else(|| {
            let names = Provider::ALL.map(Provider::name).join(", ");
            Error::invalid(format!("execution provider {s:?}, expected one of {names}"))
        })
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for provider in Provider::ALL {
            assert_eq!(provider.to_string().parse::<Provider>().unwrap(), provider);
        }
        assert!("gpu".parse::<Provider>().is_err());
    }
}
