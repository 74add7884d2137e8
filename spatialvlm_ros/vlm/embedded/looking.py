"""One image encoded: proposals, their windows and embeddings, mended masks, the gripper; each when it is first asked for."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ...geometry.plane import Plane
from ...geometry.rigid import FloatArray
from ...perception.appearance import Appearance, describe_each, with_sizes
from ...perception.tabletop import TabletopConfig, TabletopSegmenter
from ...scene.frame import BoolArray, Region
from ...scene.noise import DepthNoise, noise_on_plane
from ..interface import Gripper, View
from .crops import (
    Images,
    assemble,
    bare_images,
    paste_mask,
    prepare_images,
    sample_masks,
    view_rotation,
    white_points,
    windows,
)
from .crops_of_frame import sample_frame
from .gripper_head import small_images
from .gripper_tip import Tip, gripper_tip
from .model import SpatialVlmModel
from .tower import Regions

# By what share of their distance two tips are uncertain.
_DISAGREED = 0.25
# What is left of a gripper's probability where depth shows no arm.
_UNCONFIRMED = 0.5


class Proposed:
    """A view with what may be a thing in it, cut out.

    Attributes:
        proposals: the regions to choose among: those of the view, or those of the tabletop segmenter where it brings none.
        numbers: which of the view's proposals each is, -1 for one that it did not bring.
        plane: what they stand on; None when that is not known.
        noise: of the view's depth; with what the plane shows of it where that was looked for here.
    """

    def __init__(self, view: View, device: torch.device) -> None:
        self.view, self.device = view, device
        self.proposals, self.numbers, self.plane, self.noise = _proposals(view)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.view.color.shape[0], self.view.color.shape[1]

    @cached_property
    def up(self) -> FloatArray:
        """(3,) in the optical frame; NaN where it is not known."""
        if self.plane is not None:
            return self.plane.normal
        return np.full(3, np.nan) if self.view.up is None else np.asarray(self.view.up, np.float64)

    @cached_property
    def images(self) -> Images:
        """The whole image ready to be sampled."""
        color, frame = torch.tensor(self.view.color)[None].to(self.device), self.view.frame
        if frame is None:
            xyz = torch.full(color.shape, torch.nan, device=self.device)
        else:
            planes = np.concatenate([frame.camera.ray_planes * frame.depth_m, frame.depth_m[None]])
            xyz = torch.from_numpy(planes).to(self.device).movedim(0, -1)[None]
        bare = self._bare
        with torch.no_grad():
            return prepare_images(color, xyz, self._up.to(self.device), bare.height_m.to(self.device), bare.white.to(self.device))

    @cached_property
    def _bare(self) -> Images:
        """What is known of the image as a whole, on the CPU."""
        height_m = math.nan if self.plane is None else self.plane.offset_m
        with torch.no_grad():
            white = white_points(torch.tensor(self.view.color)[None])
            return bare_images(self._up, torch.tensor([height_m], dtype=torch.float32), white)

    @property
    def _up(self) -> Tensor:
        return torch.tensor(self.up.astype(np.float32))[None]

    @cached_property
    def windows(self) -> tuple[Tensor, Tensor]:
        """Middles (N, 2) and edges (N,) of their windows, pixels."""
        return windows(torch.tensor([region.box for region in self.proposals], dtype=torch.float32, device=self.device))

    @cached_property
    def pictures(self) -> tuple[Tensor, Tensor]:
        """Pictures (N, 8, 64, 64) and scalars (N, S) of the proposals; there must be some."""
        frame, (middle, side) = self.view.frame, (each.cpu() for each in self.windows)
        depth_m, camera = (None, None) if frame is None else (frame.depth_m, frame.camera)
        with torch.no_grad():
            patches = sample_frame(self.view.color, depth_m, camera, self._bare, middle, side)
            masks = torch.from_numpy(np.stack([region.mask for region in self.proposals]))
            pictures, scalars = assemble(patches, sample_masks(masks, middle, side))
            return pictures.to(self.device), scalars.to(self.device)

    @cached_property
    def appearances(self) -> list[Appearance]:
        """Sizes, shapes and colours of the proposals as measured, for words that compare them."""
        frame = self.view.frame
        if frame is None:
            return [Appearance({}, {}) for _ in self.proposals]
        found = describe_each(frame, self.proposals, self.plane)
        if self.plane is not None:
            self.view.appearances.update((n, look) for n, look in zip(self.numbers, found, strict=True) if n >= 0)
        return with_sizes(found)


class Looked(Proposed):
    """A view and what the model makes of it. Each part is reckoned when it is first asked for."""

    def __init__(self, model: SpatialVlmModel, view: View) -> None:
        super().__init__(view, model.device)
        self.model = model
        self._mended: dict[int, BoolArray] = {}

    @cached_property
    def regions(self) -> Regions:
        """The proposals encoded; there must be some."""
        with torch.no_grad():
            return self.model.regions(*self.pictures)

    def mended(self, index: int) -> BoolArray:
        """(H, W) mask of a proposal's thing: as the network sees it, within the proposal's window; never empty."""
        if index not in self._mended:
            with torch.no_grad():
                pictures, maps = self.pictures[0][index : index + 1], tuple(each[index : index + 1] for each in self.regions.maps)
                probability = torch.sigmoid(self.model.tower.masks(pictures, maps))[0]
                middle, side = self.windows
                mask: BoolArray = paste_mask(probability, middle[index], side[index], self.size).cpu().numpy() > 0.5
            self._mended[index] = mask if mask.any() else self.proposals[index].mask
        return self._mended[index]

    @cached_property
    def gripper(self) -> Gripper:
        """Pixels by the head for grippers, the tip by geometry where it tells, else by the head; its tip is NaN without depth."""
        with torch.no_grad():
            small, xyz = small_images(self.images)
            found = self.model.grippers(small, xyz)
            cells = torch.sigmoid(found.mask)
            full = torch.nn.functional.interpolate(cells[:, None], size=self.size, mode="bilinear")[0, 0]
            rotation, _ = view_rotation(torch.tensor(self.up.astype(np.float32))[None])
        mask: BoolArray = np.asarray(full.cpu().numpy() > 0.5)
        turn = rotation[0].double().numpy()
        # The deviation of Laplace's law is sqrt(2) times its scale.
        spread = turn.T @ np.diag(2 * np.exp(2 * found.log_std[0].double().cpu().numpy())) @ turn
        tip = found.tip[0].double().cpu().numpy() @ turn
        if not bool(torch.isfinite(xyz).any()):
            tip = np.full(3, np.nan)
        measured = self._measured_tip(mask)
        point, covariance = _better_tip(measured, tip, spread)
        present = float(torch.sigmoid(found.present)[0])
        # Rooms hold much that looks like a robot; what does not reach into the picture as an arm does is more likely none.
        return Gripper(present if measured is not None else _UNCONFIRMED * present, mask, point, covariance)

    def _measured_tip(self, mask: BoolArray) -> Tip | None:
        """The tip as depth shows it; None where it does not."""
        frame = self.view.frame
        if frame is None or self.plane is None or not mask.any():
            return None
        return gripper_tip(mask, frame.xyz, self.plane.coefficients)


def _better_tip(measured: Tip | None, told: FloatArray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The tip (3,) as measured, else as the network tells it (``told``, covariance ``spread``); its covariance.

    The network is centimetres off where depth is not, and far off where an arm is seen as it was not in training. Where both
    disagree, what was measured is less certain than it says itself.
    """
    if measured is None or not np.isfinite(told).all():
        return told, spread
    distance = float(np.linalg.norm(measured.point - told))
    return measured.point, (measured.std_m**2 + (_DISAGREED * distance) ** 2) * np.eye(3)


def _proposals(view: View) -> tuple[tuple[Region, ...], tuple[int, ...], Plane | None, DepthNoise]:
    """Regions that show something, their numbers, what they stand on, and the noise of depth; the segmenter's where the view
    brings no regions."""
    given, noise = [(region, at) for at, region in enumerate(view.proposals) if region.mask.any()], view.noise or DepthNoise()
    if given or view.frame is None:
        coefficients = np.asarray(view.plane, np.float64)
        known = coefficients.shape == (4,) and bool(np.isfinite(coefficients).all())
        plane = Plane(coefficients[:3], float(coefficients[3])) if known else None
        return tuple(region for region, _ in given), tuple(number for _, number in given), plane, noise
    config = TabletopConfig() if view.noise is None else TabletopConfig(noise=view.noise)
    found = TabletopSegmenter(config).segment(view.frame, up=view.up, ignore=view.robot)
    if found.plane is None:
        return tuple(found.regions), (-1,) * len(found.regions), None, noise
    noise = noise_on_plane(view.frame, found.plane.coefficients, found.plane.inliers, noise)
    return tuple(found.regions), (-1,) * len(found.regions), found.plane.plane, noise
