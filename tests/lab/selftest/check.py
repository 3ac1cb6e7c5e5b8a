# SPDX-License-Identifier: Apache-2.0
"""Drives a started lab through everything the product's tests rely on. Usage: check.py DIR/env"""
import hashlib
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

from soap import Fault, VCenter

env = dict(re.findall(r"^(\w+)='(.*)'$", open(sys.argv[1]).read(), re.M))
vc = VCenter(env)
control_url = env['VC_CONTROL']
guest_url = f"http://127.0.0.1:{env['APP1_VMWARE_PORT']}"


def control(method, path, body=None):
    request = urllib.request.Request(control_url + path, json.dumps(body).encode() if body is not None else None, method=method)
    text = urllib.request.urlopen(request, timeout=30).read()
    return json.loads(text) if text else None


def guest(path, data=None, timeout=3):
    return urllib.request.urlopen(guest_url + path, data=data, timeout=timeout).read().decode().strip()


def until(condition, what, deadline=60):
    limit = time.monotonic() + deadline
    while time.monotonic() < limit:
        try:
            result = condition()
            if result:
                return result
        except (OSError, http.client.HTTPException):
            pass
        time.sleep(0.05)
    raise AssertionError(f'{what}: not within {deadline} s')


def refused(kind, action, *arguments):
    try:
        action(*arguments)
    except Fault as fault:
        assert fault.kind in kind.split('|'), f'{fault.kind} instead of {kind}'
        return
    raise AssertionError(f'no {kind}')


def view():
    return next(vm for vm in control('GET', '/vms') if vm['path'] == env['APP1_VM_PATH'])


def extra(key, value):
    return f'<extraConfig xsi:type="OptionValue"><key>{key}</key><value xsi:type="xsd:string">{value}</value></extraConfig>'


def card(connected):
    return ('<deviceChange><operation>edit</operation><device xsi:type="VirtualVmxnet3"><key>4000</key><connectable>'
            f'<startConnected>{connected}</startConnected><allowGuestControl>true</allowGuestControl><connected>{connected}</connected>'
            '</connectable></device></deviceChange>')


def sessions_are_checked():
    refused('NotAuthenticated', vc.retrieve, [('Folder', root_folder())], ['name'])
    refused('InvalidLogin', vc.login, env['VC_USER'], 'wrong')
    vc.login(env['VC_USER'], open(env['VC_PASSWORD_FILE']).read().strip())
    control('DELETE', '/sessions')
    refused('NotAuthenticated', vc.find, env['APP1_VM_PATH'])
    vc.cookie = None
    vc.login(env['VC_USER'], open(env['VC_PASSWORD_FILE']).read().strip())


def strangers_are_not_trusted(vm):
    stranger = VCenter({**env, 'VC_CA': None})
    try:
        stranger.call('RetrieveServiceContent', ('ServiceInstance', 'ServiceInstance'))
    except urllib.error.URLError:
        return
    raise AssertionError('the certificate was accepted without its CA')


def disk_url():
    return disk_url_of(view()['disks'][0]['file'])


def disk_url_of(file):
    store, path = re.match(r'\[(.+)\] (.+)', file).groups()
    flat = path.replace('.vmdk', '-flat.vmdk')
    return f"{vc.url[:-4]}/folder/{flat}?dcPath={env['VC_DATACENTER']}&dsName={store}"


def guests_really_run(vm):
    vc.task(vc.call('PowerOnVM_Task', vm))
    refused('InvalidPowerState', lambda: vc.task(vc.call('PowerOnVM_Task', vm)))
    until(lambda: guest('/healthz') == 'ok', 'the guest')
    who = guest('/cgi-bin/whoami')
    assert 'vendor=VMware' in who and f"mac={view()['cards'][0]['mac']}" in who, who
    for disk in view()['disks'][1:]:
        assert hashlib.sha256(open(disk['path'], 'rb').read()).hexdigest() in guest('/cgi-bin/disk2sum', timeout=20)
    for n in range(3):
        assert guest('/cgi-bin/record', b'record %d' % n) == str(n + 1)
    status, _ = vc.download(disk_url(), {'Cookie': vc.cookie})
    assert status == 423, f'the disk of a running guest: {status}'
    until(lambda: view()['tools'] == 'guestToolsRunning', 'the guest tools')
    vc.call('ShutdownGuest', vm)
    until(lambda: vc.power(vm) == 'poweredOff', 'shutting down')
    refused('InvalidPowerState', vc.call, 'ShutdownGuest', vm)
    assert 'pid' not in view()


def a_change_version_is_checked(vm):
    version = vc.change_version(vm)
    vc.reconfigure(vm, extra('vmferry.run', 'one'), version)
    refused('ConcurrentAccess', vc.reconfigure, vm, extra('vmferry.run', 'two'), version)
    vc.reconfigure(vm, extra('vmferry.other', 'kept') + extra('never.there', ''), vc.change_version(vm))
    assert view()['extra_config']['vmferry.run'] == 'one' and 'never.there' not in view()['extra_config']
    vc.reconfigure(vm, extra('vmferry.run', ''), vc.change_version(vm))
    assert 'vmferry.run' not in view()['extra_config'] and view()['extra_config']['vmferry.other'] == 'kept'


def a_disconnected_card_is_disconnected(vm):
    vc.reconfigure(vm, card('false'))
    mac = view()['cards'][0]['mac']
    vc.task(vc.call('PowerOnVM_Task', vm))
    until(lambda: view()['tools'] == 'guestToolsRunning', 'the fenced guest')
    try:
        guest('/healthz', timeout=1)
        raise AssertionError('a fenced guest answers')
    except OSError:
        pass
    vc.task(vc.call('PowerOffVM_Task', vm))
    vc.reconfigure(vm, card('true'))
    assert view()['cards'][0]['start_connected'] and view()['cards'][0]['mac'] == mac


def disks_are_read_over_http(vm):
    raw = open(view()['disks'][0]['path'], 'rb').read()
    status, part = vc.download(disk_url(), {'Cookie': vc.cookie, 'Range': 'bytes=512-1535'})
    assert status == 206 and part == raw[512:1536]
    assert vc.download(disk_url())[0] == 401
    assert vc.download(disk_url().replace('-flat', '-none'), {'Cookie': vc.cookie})[0] == 404
    control('POST', '/faults', {'method': 'GET /folder', 'action': 'cut', 'bytes': 1 << 20})
    try:
        vc.download(disk_url(), {'Cookie': vc.cookie})
        raise AssertionError('the download was not cut')
    except http.client.IncompleteRead as error:
        assert len(error.partial) == 1 << 20, len(error.partial)
    control('POST', '/faults', {'method': 'GET /folder', 'action': 'rate', 'bytes_per_s': 20 << 20, 'count': 1})
    began = time.monotonic()
    _, whole = vc.download(disk_url(), {'Cookie': vc.cookie})
    assert time.monotonic() - began > len(raw) / (20 << 20) * 0.8 and whole == raw


def lease_of(vm, method='ExportVm'):
    lease = ('HttpNfcLease', re.search(r'type="HttpNfcLease">([^<]+)<', vc.call(method, vm)).group(1))
    until(lambda: '>ready<' in vc.retrieve([lease], ['state']), 'the lease')
    return lease


def exports_hold_the_disk(vm):
    lease = lease_of(vm)
    refused('TaskInProgress', lambda: vc.task(vc.call('PowerOnVM_Task', vm)))
    urls = re.findall(r'<url>([^<]+)<', vc.retrieve([lease], ['info']))
    for url, disk in zip(urls, view()['disks'], strict=True):
        _, vmdk = vc.download(url.replace('*', '127.0.0.1'))
        vc.call('HttpNfcLeaseProgress', lease, '<percent>50</percent>')
        assert digest_of_vmdk(vmdk) == hashlib.sha256(open(disk['path'], 'rb').read()).hexdigest()
    vc.call('HttpNfcLeaseComplete', lease)
    control('PUT', '/settings', {'lease_timeout_s': 1})
    lease = lease_of(vm)
    until(lambda: '>error<' in vc.retrieve([lease], ['state']), 'the lease\'s end', 5)
    control('PUT', '/settings', {'lease_timeout_s': 300})
    lease = lease_of(vm)
    vc.call('CancelTask', ('Task', control('GET', '/leases')[0]['task']))
    refused('InvalidState', vc.call, 'HttpNfcLeaseComplete', lease)
    vc.call('HttpNfcLeaseAbort', lease_of(vm))
    assert control('GET', '/leases') == []


def digest_of_vmdk(data):
    with tempfile.TemporaryDirectory() as scratch:
        vmdk, raw = f'{scratch}/d.vmdk', f'{scratch}/d.raw'
        open(vmdk, 'wb').write(data)
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', vmdk, raw], check=True)
        return hashlib.sha256(open(raw, 'rb').read()).hexdigest()


def changed_areas(vm, snapshot, since):
    areas, at, size = [], 0, view()['disks'][0]['bytes']
    while at < size:
        text = vc.call('QueryChangedDiskAreas', vm, f'<snapshot type="VirtualMachineSnapshot">{snapshot}</snapshot>'
                       f'<deviceKey>2000</deviceKey><startOffset>{at}</startOffset><changeId>{since}</changeId>')
        areas += [(int(a), int(b)) for a, b in re.findall(r'<changedArea>\s*<start>(\d+)</start>\s*<length>(\d+)', text)]
        start, length = re.search(r'<startOffset>(\d+)</startOffset>\s*<length>(\d+)<', text).groups()
        at = int(start) + int(length)
    return areas


def snapshot(vm, name):
    spec = f'<name>{name}</name><description>key</description><memory>false</memory><quiesce>false</quiesce>'
    info = vc.task(vc.call('CreateSnapshot_Task', vm, spec))
    ref = re.search(r'>(snapshot-\d+)<', info).group(1)
    change = re.search(r'<changeId>([^<]+)<', vc.retrieve([('VirtualMachineSnapshot', ref)], ['config.hardware.device'])).group(1)
    return ref, change


def changed_blocks_are_known(vm):
    vc.task(vc.call('PowerOnVM_Task', vm))
    until(lambda: guest('/healthz') == 'ok', 'the guest')
    first, change = snapshot(vm, 'first')
    frozen = bytearray(vc.download(disk_url(), {'Cookie': vc.cookie})[1])
    assert changed_areas(vm, first, '*')
    vc.task(vc.call('RemoveSnapshot_Task', ('VirtualMachineSnapshot', first), '<removeChildren>false</removeChildren>'))
    guest('/cgi-bin/record', b'after the snapshot')
    second, _ = snapshot(vm, 'second')
    now = vc.download(disk_url(), {'Cookie': vc.cookie})[1]
    areas = changed_areas(vm, second, change)
    assert areas and bytes(frozen) != now
    for start, length in areas:
        frozen[start:start + length] = now[start:start + length]
    assert bytes(frozen) == now, 'the changed areas do not cover the changes'
    vc.task(vc.call('RemoveSnapshot_Task', ('VirtualMachineSnapshot', second), '<removeChildren>false</removeChildren>'))
    assert view()['snapshots'] == []
    vc.task(vc.call('PowerOffVM_Task', vm))


def pages_must_be_followed(vm):
    objects = [('VirtualMachine', one['ref']) for one in control('GET', '/vms')] + [('Folder', root_folder())]
    control('PUT', '/settings', {'page_size': 1})
    text, pages, seen = vc.retrieve(objects, ['name']), 1, 0
    while True:
        seen += text.count('<objects>')
        token = re.search(r'<token>([^<]+)<', text)
        if not token:
            break
        pages += 1
        text = vc.call('ContinueRetrievePropertiesEx', ('PropertyCollector', vc.collector), f'<token>{token.group(1)}</token>')
    control('PUT', '/settings', {'page_size': 0})
    assert pages == seen == len(objects), (pages, seen, len(objects))


def root_folder():
    content = vc.call('RetrieveServiceContent', ('ServiceInstance', 'ServiceInstance'))
    return re.search(r'<rootFolder[^>]*>([^<]+)<', content).group(1)


def bad_manners_are_served(vm):
    control('POST', '/faults', {'method': 'PowerOnVM_Task', 'vm': 'app1', 'action': 'fault', 'fault': 'InvalidState', 'message': 'no'})
    refused('InvalidState', vc.call, 'PowerOnVM_Task', vm)
    control('POST', '/faults', {'method': 'PowerOnVM_Task', 'action': 'task-fault', 'fault': 'InsufficientResourcesFault'})
    refused('InsufficientResourcesFault', lambda: vc.task(vc.call('PowerOnVM_Task', vm)))
    control('POST', '/faults', {'method': 'PowerOnVM_Task', 'action': 'hang'})
    refused('still running', lambda: vc.task(vc.call('PowerOnVM_Task', vm), 0.3))
    control('POST', '/faults', {'method': 'ReconfigVM_Task', 'action': 'drop-before'})
    control('POST', '/faults', {'method': 'ReconfigVM_Task', 'action': 'drop-after', 'skip': 1})
    for value, effect in ((1, False), (2, True)):
        before = vc.change_version(vm)
        try:
            vc.reconfigure(vm, extra('vmferry.try', str(value)))
            raise AssertionError('the connection was not dropped')
        except (OSError, http.client.HTTPException):
            pass
        if effect:
            until(lambda: vc.change_version(vm) != before, 'the effect')
        else:
            assert vc.change_version(vm) == before
    control('POST', '/faults', {'method': 'FindByInventoryPath', 'action': 'expire'})
    refused('NotAuthenticated', vc.find, env['APP1_VM_PATH'])
    control('DELETE', '/faults')
    vc.cookie = None
    vc.login(env['VC_USER'], open(env['VC_PASSWORD_FILE']).read().strip())


def reading_is_not_counted_as_writing(vm):
    control('DELETE', '/calls')
    vc.power(vm)
    assert control('GET', '/calls')['writes'] == {} and control('GET', '/calls')['counts']['RetrievePropertiesEx'] >= 1
    vc.reconfigure(vm, extra('vmferry.try', ''))
    assert control('GET', '/calls')['writes'] == {'ReconfigVM_Task': 1}


CHECKS = [strangers_are_not_trusted, guests_really_run, a_change_version_is_checked, a_disconnected_card_is_disconnected,
          disks_are_read_over_http, exports_hold_the_disk, changed_blocks_are_known, pages_must_be_followed,
          bad_manners_are_served, reading_is_not_counted_as_writing]


def main():
    vc.discover()
    sessions_are_checked()
    vm = vc.find(env['APP1_VM_PATH'])
    for check in CHECKS:
        began = time.monotonic()
        check(vm)
        print(f'ok {check.__name__} {time.monotonic() - began:.1f} s', flush=True)


main()
