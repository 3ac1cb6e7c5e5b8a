# SPDX-License-Identifier: Apache-2.0
"""A vim25 client in raw SOAP, just large enough to prove that the lab's vCenter works."""
import html
import http.client
import re
import ssl
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

ENVELOPE = ('<?xml version="1.0"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xsd="http://www.w3.org/2001/XMLSchema">'
            '<soapenv:Body>%s</soapenv:Body></soapenv:Envelope>')


class Fault(Exception):
    """A SOAP fault or a failed task; .kind is its vim25 type."""

    def __init__(self, kind, text=''):
        super().__init__(f'{kind}: {text}')
        self.kind = kind


class VCenter:
    def __init__(self, env):
        self.url, self.cookie = env['VC_URL'], None
        self.tls = ssl.create_default_context(cafile=env['VC_CA'])
        self.tls.minimum_version = ssl.TLSVersion.TLSv1_2

    def post(self, body, timeout=30):
        request = urllib.request.Request(self.url, (ENVELOPE % body).encode(),
                                         {'Content-Type': 'text/xml', 'SOAPAction': 'urn:vim25/8.0.0.1'})
        if self.cookie:
            request.add_header('Cookie', self.cookie)
        try:
            answer = urllib.request.urlopen(request, context=self.tls, timeout=timeout)
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            kind = re.search(r'<detail><(\w+)Fault ', text)
            raise Fault(kind.group(1) if kind else f'HTTP {error.code}', text) from None
        if answer.headers.get('Set-Cookie'):
            self.cookie = answer.headers['Set-Cookie'].split(';')[0]
        return answer.read().decode()

    def call(self, method, this, extra='', timeout=30):
        kind, value = this
        return self.post(f'<{method} xmlns="urn:vim25"><_this type="{kind}">{html.escape(value)}</_this>{extra}</{method}>', timeout)

    def discover(self):
        """The ids of the singletons: they differ between vCenter and ESXi."""
        content = self.call('RetrieveServiceContent', ('ServiceInstance', 'ServiceInstance'))
        named = lambda name: re.search(rf'<{name} [^>]*>([^<]+)<', content).group(1)
        self.collector, self.search, self.session = named('propertyCollector'), named('searchIndex'), named('sessionManager')

    def login(self, user, password):
        return self.call('Login', ('SessionManager', self.session),
                         f'<userName>{html.escape(user)}</userName><password>{html.escape(password)}</password>')

    def retrieve(self, objects, paths, options='<options/>'):
        kinds = sorted({kind for kind, _ in objects})
        wanted = ''.join(f'<pathSet>{path}</pathSet>' for path in paths)
        spec = ''.join(f'<propSet><type>{kind}</type>{wanted}</propSet>' for kind in kinds)
        spec += ''.join(f'<objectSet><obj type="{kind}">{html.escape(value)}</obj></objectSet>' for kind, value in objects)
        return self.call('RetrievePropertiesEx', ('PropertyCollector', self.collector), f'<specSet>{spec}</specSet>{options}')

    def find(self, path):
        text = self.call('FindByInventoryPath', ('SearchIndex', self.search), f'<inventoryPath>{path}</inventoryPath>')
        return ('VirtualMachine', re.search(r'>(vm-\d+|\d+)<', text).group(1))

    def power(self, vm):
        return re.search(r'>(powered\w+)<', self.retrieve([vm], ['runtime.powerState'])).group(1)

    def change_version(self, vm):
        return re.search(r'<val[^>]*>([^<]+)<', self.retrieve([vm], ['config.changeVersion'])).group(1)

    def task(self, answer, deadline=30):
        """Waits for the task an answer names; a failed one raises its fault. Returns the text of its result."""
        task = ('Task', re.search(r'type="Task">([^<]+)<', answer).group(1))
        limit = time.monotonic() + deadline
        while time.monotonic() < limit:
            info = self.retrieve([task], ['info'])
            state = re.search(r'<state>(\w+)<', info).group(1)
            if state == 'success':
                return info
            if state == 'error':
                raise Fault(re.search(r'<fault [^>]*type="(\w+)"', info).group(1), info)
            time.sleep(0.05)
        raise Fault('still running')

    def reconfigure(self, vm, spec, version=''):
        spec = (f'<changeVersion>{version}</changeVersion>' if version else '') + spec
        return self.task(self.call('ReconfigVM_Task', vm, f'<spec>{spec}</spec>'))

    def download(self, url, headers=None, timeout=30):
        """Answers (status, bytes); raises http.client.IncompleteRead or OSError when the connection is cut."""
        parts = urlsplit(url)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port, context=self.tls, timeout=timeout)
        connection.request('GET', f'{parts.path}?{parts.query}' if parts.query else parts.path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read()
