// SPDX-License-Identifier: Apache-2.0
//
// From the server's faults to our Errors: which kind each is, in the platform's own words with the fault's own name,
// and what to do next. Any thread. Source: vSphere Web Services API reference, "Faults".
#pragma once

#include <string>

#include "plugins/vsphere/soap.h"
#include "state/result.h"

namespace vmferry::vsphere {

// kInvalid for faults we do not know: the server refused, and repeating the same request would not help.
ErrorKind KindOf(const SoapFault& fault);

// "Cannot complete login due to an incorrect user name or password. (InvalidLogin)", and advice.
// `doing` names the method that was refused: "PowerOnVM_Task".
Error FaultError(const SoapFault& fault, const std::string& doing);

}  // namespace vmferry::vsphere
