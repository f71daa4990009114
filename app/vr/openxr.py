"""A headset through OpenXR (pyopenxr, the extra `vr`): the `Runtime` that the frame loop draws for.

Only this file and openxr_hands.py import xr. The GL context is the window's, current in this thread.
"""

import ctypes
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from ..errors import GraphicsError
from .openxr_hands import Controllers, place_of
from .runtime import Eye, Frame, Size

INSTALL = "pip install 'voxtide[vr]'"
_SRGB8_ALPHA8, _RGBA8 = 0x8C43, 0x8058  # our bytes are sRGB: the second would be shown too bright, but shown
_IDLE_S = 0.05  # between looks at events while the runtime wants no frames
_HEAD_OVER_FLOOR_M = 1.6  # where the runtime knows the head and no floor


def load_xr() -> ModuleType:
    """pyopenxr. GraphicsError, one line, where it is not installed or does not run here."""
    os.environ.setdefault("XR_LOADER_DEBUG", "none")  # its loader would write to stderr beside our line
    try:
        import xr
        import xr.utils.gl
    except ImportError as error:
        raise GraphicsError(f"no virtual reality without pyopenxr ({error.name}): {INSTALL}") from None
    except OSError as error:
        raise GraphicsError(f"pyopenxr's loader does not run here: {error}") from None
    found: ModuleType = xr
    return found


def check_runtime() -> None:
    """Tell in one line what is missing before a window opens. GraphicsError."""
    xr = load_xr()
    with _instance(xr) as instance:
        _system(xr, instance)


@contextmanager
def open_headset(is_closing: Any) -> Iterator["Headset"]:
    """The headset that is connected. is_closing() -> whether the user wants to leave by the desktop.

    GraphicsError, one line: there is no runtime, no headset, or it cannot take pictures from this GL.
    """
    xr = load_xr()
    with ExitStack() as open_things:
        instance = open_things.enter_context(_instance(xr))
        try:
            yield Headset(xr, instance, _system(xr, instance), is_closing, open_things)
        except xr.exception.XrException as error:
            raise GraphicsError(f"the headset's runtime gave up: {_one_line(error)}") from error


@contextmanager
def _instance(xr: ModuleType) -> Iterator[Any]:
    about = xr.InstanceCreateInfo(
        application_info=xr.ApplicationInfo("Voxtide", 1, "Voxtide", 1),
        enabled_extension_names=[xr.KHR_OPENGL_ENABLE_EXTENSION_NAME],
    )
    try:
        instance = xr.create_instance(about)
    except xr.exception.RuntimeUnavailableError:
        raise GraphicsError(
            "no OpenXR runtime here: start SteamVR, Monado or the headset's own, and make it the active one"
        ) from None
    except xr.exception.ExtensionNotPresentError:
        raise GraphicsError(
            "this OpenXR runtime takes no pictures from OpenGL; SteamVR and Monado do"
        ) from None
    except xr.exception.XrException as error:
        raise GraphicsError(f"the OpenXR runtime does not start: {_one_line(error)}") from error
    try:
        yield instance
    finally:
        xr.destroy_instance(instance)


def _system(xr: ModuleType, instance: Any) -> Any:
    try:
        return xr.get_system(instance, xr.SystemGetInfo(form_factor=xr.FormFactor.HEAD_MOUNTED_DISPLAY))
    except xr.exception.XrException as error:
        raise GraphicsError(
            f"the OpenXR runtime has no headset ({_one_line(error)}): connect one, and wake it"
        ) from error


class Headset:
    """A `Runtime`. All that it makes is given back when `open_things` closes."""

    def __init__(self, xr: ModuleType, instance: Any, system: Any, is_closing: Any, open_things: ExitStack):
        self._xr, self._instance, self._is_closing = xr, instance, is_closing
        self._views_are = xr.ViewConfigurationType.PRIMARY_STEREO
        self._session = xr.create_session(instance, self._create_info(system))
        open_things.callback(xr.destroy_session, self._session)
        self._space = xr.create_reference_space(self._session, self._floor())
        self._hands = Controllers(xr, instance, self._session)
        config = xr.enumerate_view_configuration_views(instance, system, self._views_are)[:2]
        widths = [(c.recommended_image_rect_width, c.recommended_image_rect_height) for c in config]
        self._sizes: tuple[Size, Size] = (_size(widths[0]), _size(widths[1]))
        self._chains = [self._make_chain(size) for size in self._sizes]
        self._images = [self._enumerate(chain) for chain in self._chains]
        self._acquired: list[int] = []
        self._is_running = self._is_over = False
        self._now: Any = None
        self._views: Any = None

    @property
    def sizes(self) -> tuple[Size, Size]:
        return self._sizes

    def begin(self) -> Frame | None:
        """Wait for the runtime's pace; ask where eyes and hands are."""
        xr = self._xr
        while True:
            self._take_events()
            if self._is_closing():
                self._ask_to_end()
            if self._is_over:
                return None
            if self._is_running:
                break
            time.sleep(_IDLE_S)
        self._now = xr.wait_frame(self._session)
        xr.begin_frame(self._session)
        seconds = self._now.predicted_display_period / 1e9
        if not self._now.should_render:
            return Frame(seconds)
        when = self._now.predicted_display_time
        state, self._views = xr.locate_views(
            self._session, xr.ViewLocateInfo(self._views_are, when, self._space)
        )
        flags = state.view_state_flags
        if not (
            flags & xr.ViewStateFlags.POSITION_VALID_BIT and flags & xr.ViewStateFlags.ORIENTATION_VALID_BIT
        ):
            return Frame(seconds)  # the headset does not know where it is
        left, right = (_eye(view) for view in self._views[:2])
        return Frame(seconds, (left, right), self._hands.read(self._space, when))

    def texture(self, eye: int) -> int:
        xr, chain = self._xr, self._chains[eye]
        image = xr.acquire_swapchain_image(chain, xr.SwapchainImageAcquireInfo())
        self._acquired.append(eye)
        xr.wait_swapchain_image(chain, xr.SwapchainImageWaitInfo(timeout=xr.INFINITE_DURATION))
        return int(self._images[eye][image].image)

    def end(self, drawn: tuple[Size, Size] | None) -> None:
        xr = self._xr
        for eye in self._acquired:
            xr.release_swapchain_image(self._chains[eye], xr.SwapchainImageReleaseInfo())
        self._acquired.clear()
        layers = []
        if drawn is not None:
            views = [self._layer_view(eye, size) for eye, size in enumerate(drawn)]
            layer = xr.CompositionLayerProjection(space=self._space, views=views)
            layers.append(ctypes.byref(layer))
        xr.end_frame(
            self._session,
            xr.FrameEndInfo(
                display_time=self._now.predicted_display_time,
                environment_blend_mode=xr.EnvironmentBlendMode.OPAQUE,
                layers=layers,
            ),
        )

    def _layer_view(self, eye: int, size: Size) -> Any:
        xr = self._xr
        rect = xr.Rect2Di(offset=xr.Offset2Di(0, 0), extent=xr.Extent2Di(*size))
        part = xr.SwapchainSubImage(swapchain=self._chains[eye], image_rect=rect, image_array_index=0)
        view = self._views[eye]
        return xr.CompositionLayerProjectionView(pose=view.pose, fov=view.fov, sub_image=part)

    def _create_info(self, system: Any) -> Any:
        """Bound to the GL context that is current; a runtime wants to be asked what GL it needs first."""
        xr = self._xr
        ask = ctypes.cast(
            xr.get_instance_proc_addr(self._instance, "xrGetOpenGLGraphicsRequirementsKHR"),
            xr.PFN_xrGetOpenGLGraphicsRequirementsKHR,
        )
        needs = xr.GraphicsRequirementsOpenGLKHR()
        answer = xr.check_result(xr.Result(ask(self._instance, system, ctypes.byref(needs))))
        if answer.is_exception():
            raise answer
        kind = "WGLGraphicsBinding" if sys.platform == "win32" else "GLXGraphicsBinding"
        self._binding = getattr(xr.utils.gl, kind)(_Current())  # kept: the runtime holds its address
        return xr.SessionCreateInfo(system_id=system, next=self._binding.pointer)

    def _floor(self) -> Any:
        """The space whose origin is on the floor; where there is none, one below the head."""
        xr = self._xr
        spaces = [int(space) for space in xr.enumerate_reference_spaces(self._session)]
        if xr.ReferenceSpaceType.STAGE.value in spaces:
            return xr.ReferenceSpaceCreateInfo(xr.ReferenceSpaceType.STAGE)
        below = xr.Posef(position=xr.Vector3f(0.0, -_HEAD_OVER_FLOOR_M, 0.0))
        return xr.ReferenceSpaceCreateInfo(xr.ReferenceSpaceType.LOCAL, below)

    def _make_chain(self, size: Size) -> Any:
        xr = self._xr
        offered = list(xr.enumerate_swapchain_formats(self._session))
        wanted = [f for f in (_SRGB8_ALPHA8, _RGBA8) if f in offered]
        if not wanted:
            raise GraphicsError("the headset's runtime takes no pictures of 8 bits a colour")
        use = xr.SwapchainUsageFlags.SAMPLED_BIT | xr.SwapchainUsageFlags.COLOR_ATTACHMENT_BIT
        about = xr.SwapchainCreateInfo(
            usage_flags=use, format=wanted[0], sample_count=1, width=size[0], height=size[1],
            face_count=1, array_size=1, mip_count=1,
        )  # fmt: skip
        return xr.create_swapchain(self._session, about)

    def _enumerate(self, chain: Any) -> Any:
        return self._xr.enumerate_swapchain_images(chain, self._xr.SwapchainImageOpenGLKHR)

    def _ask_to_end(self) -> None:
        if not self._is_running:
            self._is_over = True
            return
        try:
            self._xr.request_exit_session(self._session)
        except self._xr.exception.XrException:  # it is ending already
            self._is_over = not self._is_running

    def _take_events(self) -> None:
        xr = self._xr
        while True:
            try:
                event = xr.poll_event(self._instance)
            except xr.exception.EventUnavailable:
                return
            kind = xr.StructureType(event.type)
            if kind == xr.StructureType.EVENT_DATA_INSTANCE_LOSS_PENDING:
                self._is_over = True
            if kind == xr.StructureType.EVENT_DATA_SESSION_STATE_CHANGED:
                changed = ctypes.cast(
                    ctypes.byref(event), ctypes.POINTER(xr.EventDataSessionStateChanged)
                ).contents
                self._become(xr.SessionState(changed.state))

    def _become(self, state: Any) -> None:
        xr = self._xr
        if state == xr.SessionState.READY:
            xr.begin_session(self._session, xr.SessionBeginInfo(self._views_are))
            self._is_running = True
        elif state == xr.SessionState.STOPPING:
            self._is_running = False
            xr.end_session(self._session)
        elif state in (xr.SessionState.EXITING, xr.SessionState.LOSS_PENDING):
            self._is_over = True


class _Current:
    """The GL context that is current already."""

    def make_current(self) -> None:
        """It is."""


def _eye(view: Any) -> Eye:
    fov = view.fov
    return Eye(place_of(view.pose), (fov.angle_left, fov.angle_right, fov.angle_up, fov.angle_down))


def _size(size: tuple[Any, Any]) -> Size:
    return int(size[0]), int(size[1])


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
